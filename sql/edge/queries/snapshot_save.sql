INSERT INTO snapshot (id, state, gathered) VALUES (0, ?1, ?2)
ON CONFLICT (id) DO UPDATE SET state = excluded.state, gathered = excluded.gathered
