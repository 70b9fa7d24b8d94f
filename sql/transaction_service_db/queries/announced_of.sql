SELECT card, tap_site, tap_seq, tap_index, transition FROM announced WHERE card = ANY ($1::text[])
