INSERT INTO fork_decisions (site, seq, chain) VALUES (?1, ?2, ?3) ON CONFLICT (site, seq) DO NOTHING
