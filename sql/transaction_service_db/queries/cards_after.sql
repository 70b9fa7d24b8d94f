SELECT card FROM card_states WHERE card > $1 ORDER BY card LIMIT $2
