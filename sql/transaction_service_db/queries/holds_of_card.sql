SELECT revision, tap_site, tap_seq, tap_index, (hold * 100)::bigint, state, resolved_revision, (posted * 100)::bigint
FROM pending_transfers
WHERE card = $1
ORDER BY revision
