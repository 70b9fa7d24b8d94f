SELECT state, outcome::text FROM decision_requests WHERE id = $1
