-- R-19: the source design's gates. Departure: C-EXIT-01 is stated to be online like the others. `offline` is not
-- stated but derived (D-45), and until a gate is heard all of them show it.
SELECT id, terminal_id, gate_code, gate_type, status
FROM (
    VALUES
    (1::bigint, 1::bigint, 'A-ENTRY-01', 'entry', 'online'),
    (2, 1, 'A-EXIT-01', 'exit', 'online'),
    (3, 1, 'A-BI-01', 'bidirectional', 'maintenance'),
    (4, 2, 'B-ENTRY-01', 'entry', 'online'),
    (5, 2, 'B-EXIT-01', 'exit', 'online'),
    (6, 3, 'C-ENTRY-01', 'entry', 'online'),
    (7, 3, 'C-EXIT-01', 'exit', 'online'),
    (8, 4, 'D-BI-01', 'bidirectional', 'online'),
    (9, 5, 'E-ENTRY-01', 'entry', 'online'),
    (10, 5, 'E-EXIT-01', 'exit', 'online')
) AS g (id, terminal_id, gate_code, gate_type, status)
ORDER BY id
