-- Terminals as the merged shared table has them. Returns those that are new or have another code.
WITH given AS (
    SELECT * FROM unnest(
        $1::integer[], $2::text[], $3::text[], $4::text[], $5::double precision[], $6::double precision[],
        $7::boolean[]
    ) AS n (id, name, code, location, latitude, longitude, is_active)
),
before AS (SELECT t.id, t.code FROM terminals AS t JOIN given USING (id)),
written AS (
    INSERT INTO terminals AS t (id, name, code, location, latitude, longitude, is_active, created_at, updated_at)
    SELECT
        g.id, g.name, g.code, g.location, g.latitude::numeric(10,8), g.longitude::numeric(11,8), g.is_active,
        TIMESTAMPTZ 'epoch' + $8::bigint * INTERVAL '1 millisecond',
        TIMESTAMPTZ 'epoch' + $8::bigint * INTERVAL '1 millisecond'
    FROM given AS g
    ON CONFLICT (id) DO UPDATE SET
        name = EXCLUDED.name,
        code = EXCLUDED.code,
        location = EXCLUDED.location,
        latitude = EXCLUDED.latitude,
        longitude = EXCLUDED.longitude,
        is_active = EXCLUDED.is_active,
        updated_at = EXCLUDED.updated_at
    WHERE (t.name, t.code, t.location, t.latitude, t.longitude, t.is_active) IS DISTINCT FROM (
        EXCLUDED.name, EXCLUDED.code, EXCLUDED.location, EXCLUDED.latitude, EXCLUDED.longitude, EXCLUDED.is_active
    )
    RETURNING t.id, t.code
)
SELECT w.id FROM written AS w LEFT JOIN before AS b ON b.id = w.id WHERE b.code IS DISTINCT FROM w.code
