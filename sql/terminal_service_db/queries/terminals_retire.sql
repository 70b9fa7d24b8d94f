-- What the shared table does not hold any more is retired, never deleted (D-12).
UPDATE terminals SET is_active = false, updated_at = TIMESTAMPTZ 'epoch' + $2::bigint * INTERVAL '1 millisecond'
WHERE is_active AND id <> ALL($1::integer[])
