-- Moves the position of the cache, if it is still where the caller began (empty: nowhere). After a flush in between it
-- is not, and the caller begins anew.
--   KEYS[1]: the position; ARGV[1]: where the caller began, ARGV[2]: where it is now
-- Returns whether it moved.
local found = redis.pcall('GET', KEYS[1])
if type(found) == 'table' then
  redis.call('DEL', KEYS[1])
  found = false
end
if (found or '') ~= ARGV[1] then
  return 0
end
redis.call('SET', KEYS[1], ARGV[2])
return 1
