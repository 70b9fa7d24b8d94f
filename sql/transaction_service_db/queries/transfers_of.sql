SELECT card, revision, line, rule, debit, credit, (amount * 100)::bigint AS amount, reversal,
       fact_site, fact_seq, fact_index, exit_site, exit_seq, exit_index
FROM transfers
WHERE card = ANY ($1::text[])
ORDER BY card, revision, line
