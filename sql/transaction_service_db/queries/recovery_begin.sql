-- Not when more came back since it was read: then revisions begin anew once more.
UPDATE recovery SET is_due = false, revision_floor = $1 WHERE is_due AND changesets = $2
