SELECT fact FROM fare_versions WHERE version > ?1 ORDER BY version
