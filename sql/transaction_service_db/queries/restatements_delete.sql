DELETE FROM restatements WHERE card = ANY ($1::text[])
