SELECT heartbeat FROM heartbeats ORDER BY node
