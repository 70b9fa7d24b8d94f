SELECT content FROM snapshot_parts WHERE kind = ?1 AND key = ?2
