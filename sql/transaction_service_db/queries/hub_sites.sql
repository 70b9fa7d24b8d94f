SELECT role, open, head_seq, head_chain, last_ms, last_counter FROM hub_sites
