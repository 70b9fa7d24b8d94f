-- In the order of their ids, so that two batches never wait for each other in a circle.
SELECT site, node, role, terminal, public_key, head_seq, head_chain, closed_seq, accepted_seq
FROM sites
WHERE site = ANY ($1::uuid[])
ORDER BY site
FOR UPDATE
