SELECT content FROM snapshot_parts WHERE kind = ?1 ORDER BY key
