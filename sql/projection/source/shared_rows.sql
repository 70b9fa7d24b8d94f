SELECT table_name, key, column_name, causal_length, col_version, value_type, value_integer, value_real, value_text
FROM rows
WHERE table_name IN ('terminals', 'gates')
