SELECT site, seq, chain FROM fork_decisions
