SELECT fact FROM fare_versions ORDER BY version
