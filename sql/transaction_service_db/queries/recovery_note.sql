UPDATE recovery SET is_due = true, changesets = changesets + $1, noticed_at = clock_timestamp()
