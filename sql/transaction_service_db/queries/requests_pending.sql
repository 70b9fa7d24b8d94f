SELECT id, decisions::text, override_lead_time FROM decision_requests WHERE state = 'pending' ORDER BY id LIMIT $1
