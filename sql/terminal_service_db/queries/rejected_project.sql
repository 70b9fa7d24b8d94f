INSERT INTO rejected_rows AS r (table_name, row_key, reason, since)
SELECT n.table_name, n.row_key, n.reason, TIMESTAMPTZ 'epoch' + $4::bigint * INTERVAL '1 millisecond'
FROM unnest($1::text[], $2::text[], $3::text[]) AS n (table_name, row_key, reason)
ON CONFLICT (table_name, row_key) DO UPDATE SET reason = EXCLUDED.reason, since = EXCLUDED.since
WHERE r.reason <> EXCLUDED.reason
