SELECT EXISTS (SELECT 1 FROM sites WHERE node = $1 AND public_key = $2)
