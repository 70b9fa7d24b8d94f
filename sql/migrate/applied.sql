SELECT version, name, hash FROM schema_migrations ORDER BY version
