-- Holds that wait for their terminal, or stand at one of the terminals $1 that are new or renamed.
UPDATE balance_holds AS h SET terminal_id = t.id
FROM (
    SELECT found.id AS hold, terminal.id
    FROM balance_holds AS found
    LEFT JOIN terminals AS terminal ON terminal.code = found.terminal_code
    WHERE found.terminal_id IS NULL OR found.terminal_id = ANY($1::integer[])
) AS t
WHERE h.id = t.hold AND h.terminal_id IS DISTINCT FROM t.id
