-- Terminals $1 with the ids $2: whoever travels learns the id of the terminal they came in by.
UPDATE users AS u SET current_trip_terminal_id = t.id
FROM (
    SELECT travelling.id AS user_id, terminal.id
    FROM users AS travelling
    LEFT JOIN unnest($1::text[], $2::integer[]) AS terminal (code, id)
        ON terminal.code = travelling.current_trip_terminal
    WHERE travelling.current_trip_terminal IS NOT NULL
) AS t
WHERE u.id = t.user_id AND u.current_trip_terminal_id IS DISTINCT FROM t.id
