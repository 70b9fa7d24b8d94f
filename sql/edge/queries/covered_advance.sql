INSERT INTO watermarks (site, covered_seq) VALUES (?1, ?2)
ON CONFLICT (site) DO UPDATE SET covered_seq = excluded.covered_seq WHERE excluded.covered_seq > covered_seq
