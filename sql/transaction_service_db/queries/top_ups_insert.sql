INSERT INTO top_ups (site, seq, index, reference, card, amount)
SELECT site, seq, index, reference, card, amount::numeric / 100
FROM unnest($1::uuid[], $2::bigint[], $3::integer[], $4::bytea[], $5::text[], $6::bigint[])
    WITH ORDINALITY AS t (site, seq, index, reference, card, amount, place)
ORDER BY place
