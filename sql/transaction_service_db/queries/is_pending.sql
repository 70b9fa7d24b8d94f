SELECT EXISTS (SELECT 1 FROM decision_requests WHERE state = 'pending')
