-- Numbers of the encoded enums as words.
DROP VIEW IF EXISTS tap_reasons;
CREATE VIEW tap_reasons (code, name) AS
VALUES (0, 'ACCEPTED'), (1, 'DUP_IN'), (2, 'ALLOWANCE'), (3, 'EXIT_OPEN'), (4, 'FREE_FLOW'), (5, 'BLOCKED'),
       (6, 'SUSPENDED'), (7, 'CLOSED'), (8, 'DENY_LIST'), (9, 'FUNDS'), (10, 'DEBT'), (11, 'PASSBACK'),
       (12, 'WRONG_GATE'), (13, 'UNKNOWN_CARD'), (14, 'NO_FARE'), (15, 'VELOCITY'), (16, 'STALE_KNOWLEDGE'),
       (17, 'GATE_CLOSED');

DROP VIEW IF EXISTS card_statuses;
CREATE VIEW card_statuses (code, name) AS
VALUES (0, 'active'), (1, 'suspended'), (2, 'blocked'), (3, 'closed');
