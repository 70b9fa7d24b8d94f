SELECT version, hash FROM fare_versions ORDER BY version
