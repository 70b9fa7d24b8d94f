SELECT state, gathered FROM snapshot
