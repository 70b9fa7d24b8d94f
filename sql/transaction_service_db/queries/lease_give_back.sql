UPDATE settler_lease SET until = '-infinity' WHERE term = $1
