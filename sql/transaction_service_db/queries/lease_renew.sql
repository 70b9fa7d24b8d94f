UPDATE settler_lease SET until = clock_timestamp() + make_interval(secs => $2) WHERE term = $1
