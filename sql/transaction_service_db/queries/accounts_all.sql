SELECT account, card, (balance * 100)::bigint FROM accounts ORDER BY account
