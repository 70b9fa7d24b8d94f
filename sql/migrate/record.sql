INSERT INTO schema_migrations (version, name, hash) VALUES ($1, $2, $3)
