-- What the shared table does not hold any more is retired, never deleted (D-12). It gives up its code to a terminal
-- that has it now: ids $1 and codes $3 are those of the shared table.
UPDATE terminals SET
    is_active = false,
    code = CASE WHEN code = ANY($3::text[]) THEN NULL ELSE code END,
    updated_at = TIMESTAMPTZ 'epoch' + $2::bigint * INTERVAL '1 millisecond'
WHERE id <> ALL($1::integer[]) AND (is_active OR code = ANY($3::text[]))
