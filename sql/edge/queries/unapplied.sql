SELECT site, seq, change, reason FROM unapplied ORDER BY site, seq, change
