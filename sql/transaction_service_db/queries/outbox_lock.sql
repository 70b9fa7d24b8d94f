-- Held until the commit, so positions appear in their order.
SELECT position FROM outbox_head FOR UPDATE
