-- Registers a person, or replaces the one who was registered: unless $7, then only where nobody ever was.
INSERT INTO users AS u (id, card_id, full_name, email, phone, demographics, person_revision, person_updated_at)
VALUES (
    coalesce((SELECT known.id FROM users AS known WHERE known.card_id = $1), nextval('users_id_seq')),
    $1, $2, $3, $4, $5::jsonb, 1, TIMESTAMPTZ 'epoch' + $6::bigint * INTERVAL '1 millisecond'
)
ON CONFLICT (card_id) DO UPDATE SET
    full_name = EXCLUDED.full_name,
    email = EXCLUDED.email,
    phone = EXCLUDED.phone,
    demographics = EXCLUDED.demographics,
    person_revision = u.person_revision + 1,
    person_updated_at = EXCLUDED.person_updated_at
WHERE u.person_revision = 0 OR NOT $7::boolean
RETURNING id
