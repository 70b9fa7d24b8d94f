DELETE FROM enrol_tokens WHERE gate = $1 AND used_at IS NULL
