SELECT position FROM projection_checkpoint WHERE name = $1
