-- After everything was projected anew: what no event is about.
DELETE FROM balance_holds WHERE position = 0
