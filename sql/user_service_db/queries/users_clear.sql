-- After everything was projected anew: nothing is settled of these. The person's columns stay.
UPDATE users SET
    balance = 0,
    status = 'active',
    current_trip_terminal = NULL,
    current_trip_terminal_id = NULL,
    trip_started_at = NULL,
    trip_hold = NULL,
    registered_at = NULL,
    updated_at = NULL
WHERE revision = 0 AND updated_at IS NOT NULL
