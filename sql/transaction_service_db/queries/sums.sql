-- I-02, of the balances and of the postings behind them.
SELECT (coalesce((SELECT sum(balance) FROM accounts), 0) * 100)::bigint,
       (coalesce((SELECT sum(amount) FROM postings), 0) * 100)::bigint
