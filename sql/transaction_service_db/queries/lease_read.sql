SELECT holder, term, until > clock_timestamp() AS held FROM settler_lease
