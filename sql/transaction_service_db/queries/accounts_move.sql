INSERT INTO accounts (account, card, balance, entries)
SELECT account, card, balance::numeric / 100, entries
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS a (account, card, balance, entries)
ON CONFLICT (account) DO UPDATE
SET balance = accounts.balance + excluded.balance, entries = accounts.entries + excluded.entries
