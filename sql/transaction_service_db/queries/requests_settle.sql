WITH settled AS (
    UPDATE decision_requests r
    SET state = s.state, outcome = s.outcome::jsonb, settled_at = now()
    FROM unnest($1::bigint[], $2::text[], $3::text[]) AS s (id, state, outcome)
    WHERE r.id = s.id
    RETURNING r.id
)
SELECT pg_notify('decided', id::text) FROM settled
