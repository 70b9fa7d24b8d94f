SELECT mode FROM gates WHERE id = ?1
