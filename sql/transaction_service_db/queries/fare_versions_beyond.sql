-- Those of settled changesets that the reader does not hold yet.
SELECT fact FROM fare_versions WHERE version <> ALL ($1::bigint[])
