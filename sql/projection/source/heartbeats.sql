SELECT node, heard_ms FROM heartbeats
