SELECT count(*) FROM arrivals
