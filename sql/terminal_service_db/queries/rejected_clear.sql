DELETE FROM rejected_rows AS r
WHERE NOT EXISTS (
    SELECT FROM unnest($1::text[], $2::text[]) AS n (table_name, row_key)
    WHERE n.table_name = r.table_name AND n.row_key = r.row_key
)
