-- See terminals_retire.
UPDATE gates SET
    stated_status = 'removed',
    status = 'removed',
    updated_at = TIMESTAMPTZ 'epoch' + $2::bigint * INTERVAL '1 millisecond'
WHERE stated_status <> 'removed' AND id <> ALL($1::bigint[])
