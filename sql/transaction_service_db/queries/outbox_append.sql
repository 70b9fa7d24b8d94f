-- What was told before is not told again (I-12). $1 is the last position; the lock above guards it.
WITH new AS (
    SELECT event_key, name, card, revision, payload, row_number() OVER (ORDER BY place) AS number
    FROM unnest($2::text[], $3::text[], $4::text[], $5::bigint[], $6::text[])
        WITH ORDINALITY AS e (event_key, name, card, revision, payload, place)
    WHERE NOT EXISTS (SELECT 1 FROM outbox o WHERE o.event_key = e.event_key)
), told AS (
    INSERT INTO outbox (position, event_key, name, card, revision, payload)
    SELECT $1 + number, event_key, name, card, revision, payload::jsonb FROM new ORDER BY number
)
UPDATE outbox_head SET position = $1 + (SELECT count(*) FROM new)
