DELETE FROM held_marks WHERE site = ?1 AND seq <= ?2
