-- Nobody waits for a settler at work: its lock means that it lives.
SELECT holder, term, until > clock_timestamp() AS held FROM settler_lease FOR UPDATE SKIP LOCKED
