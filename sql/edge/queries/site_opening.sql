SELECT opening FROM sites WHERE ordinal = ?1
