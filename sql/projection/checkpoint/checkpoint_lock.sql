-- No row: another process is at work.
SELECT position FROM projection_checkpoint WHERE name = $1 FOR UPDATE SKIP LOCKED
