-- Writes routes of the fare version in force, only forward, with their time to live.
--   KEYS[1]: the version that is shown; then one key per route
--   ARGV[1]: version, ARGV[2]: seconds a fare lives, ARGV[3]: updated_at; then one price per route (empty: the version
--   has no such route)
-- Returns 1, or 0 when a later version is shown already.

local found = redis.pcall('GET', KEYS[1])
if type(found) == 'table' then
  redis.call('DEL', KEYS[1])
  found = false
end
if (tonumber(found or '0') or 0) > tonumber(ARGV[1]) then
  return 0
end
redis.call('SET', KEYS[1], ARGV[1], 'EX', ARGV[2])
for place = 2, #KEYS do
  local price = ARGV[place + 2]
  if price == '' then
    redis.call('DEL', KEYS[place])
  else
    if redis.call('TYPE', KEYS[place]).ok ~= 'hash' then
      redis.call('DEL', KEYS[place])
    end
    redis.call('HSET', KEYS[place], 'price', price, 'version', ARGV[1], 'updated_at', ARGV[3])
    redis.call('EXPIRE', KEYS[place], ARGV[2])
  end
end
return 1
