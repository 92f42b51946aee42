-- Says what became of a flight.
--
-- KEYS  1 the flights of its name, 2 its result
-- ARGV  1 token, 2 the longest message that is in the answer, in bytes
-- Answers `R`: it goes on; `P`: pending; `M` and the message: landed; `L` and the length of a longer message, which is then
-- read by itself; nothing: gone.
local result = redis.call('GET', KEYS[2])
if result and string.sub(result, 1, 1) == 'M' then
  if #result - 1 > tonumber(ARGV[2]) then
    return 'L' .. (#result - 1)
  end
  return result
end
-- This changes nothing, but fails on a server that cannot be written to, such as a replica: nothing would ever come from it.
redis.call('HDEL', KEYS[1], '-')
if result then
  return 'P'
end
local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)
if tonumber(redis.call('HGET', KEYS[1], 'd:' .. ARGV[1]) or 0) > now then
  return 'R'
end
return false
