SELECT
    (SELECT count(*) FROM quarantine),
    (SELECT count(*) FROM unapplied)
