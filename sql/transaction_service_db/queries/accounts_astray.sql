-- An account whose balance is not the sum of its postings.
SELECT account, (coalesce(a.balance, 0) * 100)::bigint, (coalesce(p.amount, 0) * 100)::bigint
FROM accounts a
FULL JOIN (SELECT account, sum(amount) AS amount FROM postings GROUP BY account) p USING (account)
WHERE coalesce(a.balance, 0) <> coalesce(p.amount, 0)
ORDER BY account
LIMIT 1
