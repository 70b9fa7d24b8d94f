SELECT table_name, key, column_name, causal_length, col_version, value_type,
       value_integer, value_real, value_text, value_blob
FROM rows
