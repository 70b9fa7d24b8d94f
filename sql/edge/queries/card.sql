SELECT revision, state FROM cards WHERE card = ?1
