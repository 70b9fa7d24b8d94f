UPDATE sites SET closed_seq = NULL, reopened = reopened + 1 WHERE site = ANY ($1::uuid[])
