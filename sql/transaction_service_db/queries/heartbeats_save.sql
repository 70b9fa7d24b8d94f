INSERT INTO heartbeats (node, public_key, t_ms, t_counter, beat, heard_ms)
SELECT * FROM unnest($1::bigint[], $2::bytea[], $3::bigint[], $4::bigint[], $5::bytea[], $6::bigint[])
ON CONFLICT (node) DO UPDATE
SET public_key = excluded.public_key, t_ms = excluded.t_ms, t_counter = excluded.t_counter, beat = excluded.beat,
    heard_ms = excluded.heard_ms
WHERE (heartbeats.t_ms, heartbeats.t_counter) < (excluded.t_ms, excluded.t_counter)
