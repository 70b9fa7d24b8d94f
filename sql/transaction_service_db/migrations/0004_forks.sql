-- Logs that exist in two branches, and nodes of which two processes run: for an operator to look at and to decide.

-- A branch of a log that differs from what is in `changesets`, signed by the writer's own key, with the run that
-- proves it. Bounded when it is written: see branches_insert.sql.
CREATE TABLE site_branches (
    site uuid NOT NULL,
    last_chain bytea NOT NULL CHECK (length(last_chain) = 32),
    first_seq bigint NOT NULL,
    last_seq bigint NOT NULL,
    run bytea NOT NULL,
    times bigint NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL DEFAULT now(),
    last_seen_at timestamptz NOT NULL DEFAULT now(),
    decided_at timestamptz,
    PRIMARY KEY (site, last_chain)
);
COMMENT ON COLUMN site_branches.decided_at IS 'when an operator said which branch counts (SiteFork)';

-- CLONED_NODE (T-35): how it showed is `heartbeats` (two sites of one key go on) or `links` (two processes link in turn).
CREATE TABLE cloned_nodes (
    node bigint NOT NULL,
    shown_by text NOT NULL CHECK (shown_by IN ('heartbeats', 'links')),
    sites uuid[] NOT NULL,
    episodes bigint NOT NULL DEFAULT 1,
    first_seen_at timestamptz NOT NULL,
    last_seen_at timestamptz NOT NULL,
    PRIMARY KEY (node, shown_by)
);
