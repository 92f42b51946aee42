-- Lets a flight's lease end that long after now.
--
-- KEYS  1 the flights of the name
-- ARGV  1 token, 2 lease in ms
-- Answers 1, or 0 if there is no such flight any more.
local flights, token, lease = KEYS[1], ARGV[1], tonumber(ARGV[2])

if redis.call('HEXISTS', flights, 'd:' .. token) == 0 then
  return 0
end
local time = redis.call('TIME')
redis.call('HSET', flights, 'd:' .. token, time[1] * 1000 + math.floor(time[2] / 1000) + lease)
if redis.call('PTTL', flights) < 2 * lease then
  redis.call('PEXPIRE', flights, 2 * lease)
end
return 1
