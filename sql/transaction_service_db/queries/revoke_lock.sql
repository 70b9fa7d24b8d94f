-- Ingest locks rows of this table first: it is over, or has not begun and will see what is revoked.
LOCK TABLE sites IN EXCLUSIVE MODE
