SELECT id, full_name, email, phone, demographics FROM users WHERE card_id = $1
