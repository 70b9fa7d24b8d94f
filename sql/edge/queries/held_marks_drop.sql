DELETE FROM held_marks WHERE site = ?1
