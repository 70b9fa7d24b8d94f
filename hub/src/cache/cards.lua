-- Writes cards as they stand, only forward, with their time to live. Each card is three keys and ARGV_PER_CARD
-- arguments; all of it happens at once or not at all.
--   KEYS: user:{id}, active_trip:{id}, card:{card_id}
--   ARGV[1]: seconds a user lives, ARGV[2]: seconds a trip lives; then per card:
--     revision, person_revision, id, card_id, balance, status, updated_at, full_name (empty: none),
--     checkin_terminal (empty: no trip), checkin_time, expected_fare
-- The guard is the revision in the user's hash, which stays when the trip is deleted, so that an older write cannot
-- bring a trip back that has ended; the trip has one of its own in case the user's hash expired before it.
-- Returns how many cards were written.

local PER_CARD = 11

-- A number out of a hash; -1 when the key holds none. A key of another type is not ours: it goes.
local function number(key, field)
  local found = redis.pcall('HGET', key, field)
  if type(found) == 'table' then
    redis.call('DEL', key)
    return -1
  end
  return tonumber(found or '-1') or -1
end

local written = 0
for place = 0, #KEYS / 3 - 1 do
  local user, trip, card = KEYS[place * 3 + 1], KEYS[place * 3 + 2], KEYS[place * 3 + 3]
  local first = 2 + place * PER_CARD
  local revision, person = tonumber(ARGV[first + 1]), tonumber(ARGV[first + 2])
  local known = math.max(number(user, 'revision'), number(trip, 'revision'))
  if revision >= known and person >= number(user, 'person_revision') then
    redis.call('HSET', user, 'id', ARGV[first + 3], 'card_id', ARGV[first + 4], 'balance', ARGV[first + 5],
      'status', ARGV[first + 6], 'updated_at', ARGV[first + 7], 'revision', ARGV[first + 1],
      'person_revision', ARGV[first + 2])
    if ARGV[first + 8] == '' then
      redis.call('HDEL', user, 'full_name')
    else
      redis.call('HSET', user, 'full_name', ARGV[first + 8])
    end
    redis.call('EXPIRE', user, ARGV[1])
    redis.call('SET', card, ARGV[first + 3], 'EX', ARGV[1])
    if ARGV[first + 9] == '' then
      redis.call('DEL', trip)
    else
      redis.call('HSET', trip, 'card_id', ARGV[first + 4], 'checkin_terminal', ARGV[first + 9],
        'checkin_time', ARGV[first + 10], 'expected_fare', ARGV[first + 11], 'revision', ARGV[first + 1])
      redis.call('EXPIRE', trip, ARGV[2])
    end
    written = written + 1
  end
end
return written
