-- Those of the cards $1 that later events are about.
SELECT DISTINCT card FROM outbox WHERE card = ANY($1::text[]) AND position > $2
