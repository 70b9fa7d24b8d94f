SELECT site, seq, at_ms FROM held_marks ORDER BY site, seq
