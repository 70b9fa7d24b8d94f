SELECT key
FROM system_config
WHERE key >= 'revoked.' AND key < 'revoked/'
ORDER BY key
LIMIT ?1
