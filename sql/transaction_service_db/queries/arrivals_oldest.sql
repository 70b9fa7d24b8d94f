SELECT arrival, site, seq FROM arrivals ORDER BY arrival LIMIT $1
