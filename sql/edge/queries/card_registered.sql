UPDATE cards SET registered_ms = min(coalesce(registered_ms, ?2), ?2) WHERE card = ?1
