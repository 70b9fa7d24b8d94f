DELETE FROM rows r
USING unnest($1::text[], $2::bytea[]) AS altered (table_name, key)
WHERE r.table_name = altered.table_name AND r.key = altered.key
