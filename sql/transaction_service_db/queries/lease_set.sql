UPDATE settler_lease SET holder = $1, term = $2, until = clock_timestamp() + make_interval(secs => $3)
