INSERT INTO watermarks (site, closed_seq) VALUES (?1, ?2)
ON CONFLICT (site) DO UPDATE SET closed_seq = max(coalesce(closed_seq, 0), excluded.closed_seq)
