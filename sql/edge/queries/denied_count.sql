SELECT count(DISTINCT d.card)
FROM deny_list AS d
WHERE d.written_by = d.declared_by
  AND d.lifted = 0
  AND NOT EXISTS (
      SELECT 1 FROM deny_list AS hub
      WHERE hub.card = d.card AND hub.declared_by = d.declared_by AND hub.written_by = 0
        AND hub.lifted = 1 AND hub.denial >= d.denial
  )
