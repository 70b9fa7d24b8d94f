DELETE FROM arrivals WHERE arrival = ANY ($1::bigint[])
