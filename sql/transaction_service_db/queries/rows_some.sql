SELECT r.table_name, r.key, r.column_name, r.causal_length, r.col_version, r.value_type,
       r.value_integer, r.value_real, r.value_text, r.value_blob
FROM rows r
JOIN (SELECT DISTINCT * FROM unnest($1::text[], $2::bytea[])) AS wanted (table_name, key) USING (table_name, key)
