UPDATE projection_checkpoint SET position = $2, updated_at = CURRENT_TIMESTAMP WHERE name = $1
