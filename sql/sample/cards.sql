-- The source design names five users by their ids and seeds none of them (D-02). Here they are, with cards that the
-- rule for card numbers takes (D-03), the balances its notifications speak of where they do (150,000 less 12,000 for
-- user 1, 50,000 less 5,000 for user 4), and the demographics of its analytics events. Names, addresses and numbers
-- are made up.
SELECT card_id, top_up, full_name, email, phone, age_group, gender, membership
FROM (
    VALUES
    ('CARD0001', '150000.00', 'Joko Santoso', 'joko.santoso@example.com', '+62 811-0000-0001', '25-34', 'male', 'gold'),
    ('CARD0002', '75000.00', 'Sri Wahyuni', 'sri.wahyuni@example.com', '+62 811-0000-0002', '18-24', 'female', 'silver'),
    ('CARD0003', '100000.00', 'Agus Pratama', 'agus.pratama@example.com', NULL, '35-44', 'male', 'regular'),
    ('CARD0004', '50000.00', 'Dewi Lestari', 'dewi.lestari@example.com', '+62 811-0000-0004', '25-34', 'female', 'gold'),
    ('CARD0005', '60000.00', 'Bambang Susilo', NULL, '+62 811-0000-0005', '45-54', 'male', 'premium')
) AS c (card_id, top_up, full_name, email, phone, age_group, gender, membership)
ORDER BY card_id
