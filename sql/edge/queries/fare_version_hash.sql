SELECT hash FROM fare_versions WHERE version = ?1
