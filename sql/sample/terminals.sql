-- R-19: the source design's terminals, as they are.
SELECT id, code, name, location, latitude, longitude
FROM (
    VALUES
    (1::bigint, 'A', 'Terminal Utara', 'Jl. Raya Utara No.1', -7.250445::double precision, 112.768845::double precision),
    (2, 'B', 'Terminal Selatan', 'Jl. Raya Selatan No.2', -7.265445, 112.768845),
    (3, 'C', 'Terminal Timur', 'Jl. Raya Timur No.3', -7.257445, 112.778845),
    (4, 'D', 'Terminal Barat', 'Jl. Raya Barat No.4', -7.257445, 112.758845),
    (5, 'E', 'Terminal Pusat', 'Jl. Raya Pusat No.5', -7.257445, 112.768845)
) AS t (id, code, name, location, latitude, longitude)
ORDER BY id
