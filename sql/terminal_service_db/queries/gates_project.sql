INSERT INTO gates AS g (id, terminal_id, gate_code, gate_type, stated_status, status, mode, created_at, updated_at)
SELECT
    n.id, n.terminal_id, n.gate_code, n.gate_type::gate_type_enum, n.stated::gate_status_enum,
    CASE n.stated WHEN 'online' THEN 'offline' ELSE n.stated END::gate_status_enum, n.mode,
    TIMESTAMPTZ 'epoch' + $7::bigint * INTERVAL '1 millisecond',
    TIMESTAMPTZ 'epoch' + $7::bigint * INTERVAL '1 millisecond'
FROM unnest($1::bigint[], $2::integer[], $3::text[], $4::text[], $5::text[], $6::text[])
    AS n (id, terminal_id, gate_code, gate_type, stated, mode)
ON CONFLICT (id) DO UPDATE SET
    terminal_id = EXCLUDED.terminal_id,
    gate_code = EXCLUDED.gate_code,
    gate_type = EXCLUDED.gate_type,
    stated_status = EXCLUDED.stated_status,
    -- Liveness stays as it was last derived.
    status = CASE
        WHEN EXCLUDED.stated_status <> 'online' THEN EXCLUDED.stated_status
        WHEN g.stated_status = 'online' THEN g.status
        ELSE 'offline'
    END,
    mode = EXCLUDED.mode,
    updated_at = EXCLUDED.updated_at
WHERE (g.terminal_id, g.gate_code, g.gate_type, g.stated_status, g.mode) IS DISTINCT FROM (
    EXCLUDED.terminal_id, EXCLUDED.gate_code, EXCLUDED.gate_type, EXCLUDED.stated_status, EXCLUDED.mode
)
