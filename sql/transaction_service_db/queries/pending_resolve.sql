UPDATE pending_transfers p
SET state = r.state, resolved_revision = r.revision, posted = r.posted::numeric / 100
FROM unnest($1::text[], $2::text[], $3::bigint[], $4::bigint[]) AS r (card, state, revision, posted)
WHERE p.card = r.card AND p.state = 'pending'
