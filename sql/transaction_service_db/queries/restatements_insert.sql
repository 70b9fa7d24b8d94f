INSERT INTO restatements (card) SELECT unnest($1::text[]) ON CONFLICT DO NOTHING
