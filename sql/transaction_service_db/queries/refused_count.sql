-- Returns how many were counted before.
UPDATE refused_count SET runs = runs + $1 RETURNING runs - $1
