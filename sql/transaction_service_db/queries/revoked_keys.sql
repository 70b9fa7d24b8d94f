SELECT public_key FROM revoked_keys
