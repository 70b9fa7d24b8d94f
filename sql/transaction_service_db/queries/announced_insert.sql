INSERT INTO announced (card, tap_site, tap_seq, tap_index, transition)
SELECT * FROM unnest($1::text[], $2::uuid[], $3::bigint[], $4::integer[], $5::text[])
ON CONFLICT DO NOTHING
