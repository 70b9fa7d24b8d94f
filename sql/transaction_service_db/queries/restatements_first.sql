SELECT card FROM restatements ORDER BY card COLLATE "C" LIMIT $1
