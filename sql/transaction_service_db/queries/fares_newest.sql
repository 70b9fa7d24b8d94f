SELECT coalesce(max(fare_version), 0) FROM facts WHERE kind = 'fare_version'
