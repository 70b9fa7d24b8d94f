-- Versions $1 hold until $2 (null: for good); version $3 is in force now (null: none).
UPDATE fares AS f SET
    effective_until = TIMESTAMPTZ 'epoch' + v.until_ms * INTERVAL '1 millisecond',
    is_active = v.version IS NOT DISTINCT FROM $3::integer
FROM unnest($1::integer[], $2::bigint[]) AS v (version, until_ms)
WHERE f.version = v.version
    AND (f.effective_until, f.is_active) IS DISTINCT FROM (
        TIMESTAMPTZ 'epoch' + v.until_ms * INTERVAL '1 millisecond', v.version IS NOT DISTINCT FROM $3::integer
    )
