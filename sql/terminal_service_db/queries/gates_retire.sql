-- See terminals_retire: ids $1, terminals $3 and codes $4 are those of the shared table.
WITH given AS (SELECT * FROM unnest($3::integer[], $4::text[]) AS n (terminal_id, gate_code))
UPDATE gates AS g SET
    stated_status = 'removed',
    status = 'removed',
    gate_code = CASE WHEN (g.terminal_id, g.gate_code) IN (SELECT * FROM given) THEN NULL ELSE g.gate_code END,
    updated_at = TIMESTAMPTZ 'epoch' + $2::bigint * INTERVAL '1 millisecond'
WHERE g.id <> ALL($1::bigint[])
  AND (g.stated_status <> 'removed' OR (g.terminal_id, g.gate_code) IN (SELECT * FROM given))
