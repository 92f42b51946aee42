-- Ends a flight's time to be joined, and refuses its token from now on.
--
-- KEYS  1 the flights of the name, 2 the flight's result, 3 the refusal of its token
-- ARGV  1 token, 2 how long it is pending in ms, 3 how long its token is refused in ms
-- Answers 0: it was gone; 1: nobody waits for it; 2: somebody does.
--
-- The result is `P` and the waiters while the flight is pending, and `M` and the message once it has landed.
local flights, result, refusal, token = KEYS[1], KEYS[2], KEYS[3], ARGV[1]

-- The same close was asked for before, and its answer was lost.
local told = redis.call('GET', refusal)
if told then
  return tonumber(told)
end

local fields = redis.call('HMGET', flights, 'd:' .. token, 'w:' .. token, 't')
local there, waiters, current = fields[1], fields[2], fields[3]
if current == token then
  redis.call('HDEL', flights, 'd:' .. token, 'w:' .. token, 't', 'e', 'b')
elseif there then
  redis.call('HDEL', flights, 'd:' .. token, 'w:' .. token)
end

local closed = 0
if waiters then
  redis.call('SET', result, 'P' .. waiters, 'PX', ARGV[2])
  closed = 2
elseif there then
  closed = 1
end
redis.call('SET', refusal, closed, 'PX', ARGV[3])
return closed
