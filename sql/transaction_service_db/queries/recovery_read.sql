SELECT is_due, revision_floor, changesets FROM recovery
