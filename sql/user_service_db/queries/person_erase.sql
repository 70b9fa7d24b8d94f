-- The link to the person goes, the ledger stays.
UPDATE users SET
    full_name = NULL,
    email = NULL,
    phone = NULL,
    demographics = NULL,
    person_revision = person_revision + 1,
    person_updated_at = TIMESTAMPTZ 'epoch' + $2::bigint * INTERVAL '1 millisecond'
WHERE card_id = $1
    AND (full_name IS NOT NULL OR email IS NOT NULL OR phone IS NOT NULL OR demographics IS NOT NULL)
