SELECT account, (balance * 100)::bigint FROM accounts WHERE account = ANY ($1::text[])
