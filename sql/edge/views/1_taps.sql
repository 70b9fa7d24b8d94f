-- Taps with everything the views below share. Amounts become exact decimal text (D-20).
DROP VIEW IF EXISTS taps;
CREATE VIEW taps AS
SELECT
    f.arrival,
    f.card,
    lower(hex(s.site)) || ':' || f.seq || ':' || f.change AS fact_id,
    f.at_ms,
    f.at_counter,
    f.direction,
    f.accepted,
    r.name AS reason,
    f.terminal,
    (SELECT min(t.id) FROM terminals AS t WHERE t.code = f.terminal) AS terminal_id,
    f.origin,
    f.gate,
    f.fare_version,
    f.hold,
    coalesce(f.charged, f.quoted) AS fare,
    printf('%d.%02d', f.hold / 100, f.hold % 100) AS hold_text,
    CASE WHEN coalesce(f.charged, f.quoted) IS NOT NULL THEN
        printf('%d.%02d', coalesce(f.charged, f.quoted) / 100, coalesce(f.charged, f.quoted) % 100)
    END AS fare_text,
    f.seq <= coalesce(w.covered_seq, 0) AS covered
FROM facts_by_card AS f
JOIN sites AS s ON s.ordinal = f.site
LEFT JOIN watermarks AS w ON w.site = s.site
LEFT JOIN tap_reasons AS r ON r.code = f.reason
WHERE f.kind = 0;
