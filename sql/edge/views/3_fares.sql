-- R-31: the source design's `fares`, one row per route and version.
-- Departures: a version is whole, not only this terminal's routes (D-42); prices are exact decimal text (D-20);
-- is_active and effective_until follow from the versions instead of being stored beside them (D-22): in force is
-- the highest version among those that have begun. "Now" is the last time stamped here, so no clock is read.
DROP VIEW IF EXISTS fares;
CREATE VIEW fares AS
WITH now (ms) AS (
    SELECT coalesce(max(stamp_ms) FILTER (WHERE own), max(stamp_ms), 0) FROM sites
),
versions AS (
    SELECT
        v.version,
        v.effective_from_ms,
        v.created_ms,
        v.routes,
        (
            SELECT min(max(later.effective_from_ms, v.effective_from_ms))
            FROM fare_versions AS later WHERE later.version > v.version
        ) AS effective_until_ms
    FROM fare_versions AS v
)
SELECT
    v.version * 1000000 + route.key AS id,
    (SELECT min(t.id) FROM terminals AS t WHERE t.code = route.value ->> 0) AS origin_terminal_id,
    (SELECT min(t.id) FROM terminals AS t WHERE t.code = route.value ->> 1) AS destination_terminal_id,
    printf('%d.%02d', (route.value ->> 2) / 100, (route.value ->> 2) % 100) AS price,
    v.effective_from_ms <= now.ms AND (v.effective_until_ms IS NULL OR v.effective_until_ms > now.ms) AS is_active,
    v.effective_from_ms / 1000 AS effective_from,
    v.effective_until_ms / 1000 AS effective_until,
    v.created_ms / 1000 AS created_at,
    v.created_ms / 1000 AS updated_at,
    v.version AS fare_version
FROM versions AS v, now, json_each(v.routes) AS route;
