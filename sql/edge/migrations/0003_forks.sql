-- Logs of which two branches exist. Rules: ../../README.md.

-- By the hub's word the branch with this chain at this number counts (SiteFork). The site need not be held.
CREATE TABLE fork_decisions (
    site  BLOB    NOT NULL,
    seq   INTEGER NOT NULL,
    chain BLOB    NOT NULL,
    PRIMARY KEY (site, seq)
) STRICT, WITHOUT ROWID;
