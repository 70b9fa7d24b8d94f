SELECT site, node, role, terminal, public_key, head_seq, head_chain, closed_seq, accepted_seq FROM sites
