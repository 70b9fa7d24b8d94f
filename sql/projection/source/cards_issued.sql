SELECT card, min(at_ms) AS at_ms FROM facts
WHERE kind = 'card_issued' AND card = ANY($1::text[])
GROUP BY card
