INSERT INTO rows (
    table_name, key, column_name, causal_length, col_version, value_type,
    value_integer, value_real, value_text, value_blob
)
SELECT * FROM unnest(
    $1::text[], $2::bytea[], $3::text[], $4::bigint[], $5::bigint[], $6::text[],
    $7::bigint[], $8::double precision[], $9::text[], $10::bytea[]
)
