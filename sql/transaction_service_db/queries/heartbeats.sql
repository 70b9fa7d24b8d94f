SELECT beat, heard_ms FROM heartbeats ORDER BY node
