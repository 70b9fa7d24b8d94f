INSERT INTO deny_list (card, declared_by, written_by, denial, reason, at_ms)
VALUES (
    ?1, ?2, ?2,
    1 + coalesce((SELECT max(denial) FROM deny_list WHERE card = ?1 AND declared_by = ?2), 0),
    ?3, ?4
)
ON CONFLICT (card, declared_by, written_by) DO UPDATE SET
    denial = excluded.denial, lifted = 0, reason = excluded.reason, at_ms = excluded.at_ms
