SELECT pg_notify('decisions', $1::bigint::text)
