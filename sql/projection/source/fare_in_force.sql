SELECT max(version) FROM fare_versions WHERE effective_from_ms <= $1
