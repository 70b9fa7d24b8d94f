SELECT cards, lanes FROM settled_digest
