-- The acknowledgement: only heads that stand where the plan found them.
UPDATE sites s
SET head_seq = moved.to_seq, head_chain = moved.to_chain
FROM unnest($1::uuid[], $2::bigint[], $3::bigint[], $4::bytea[]) AS moved (site, from_seq, to_seq, to_chain)
WHERE s.site = moved.site AND s.head_seq = moved.from_seq
