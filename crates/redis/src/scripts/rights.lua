-- Runs the commands that the other scripts use only now and then, so that a missing right shows where the engine is made.
--
-- KEYS  1 the flights of a name that nobody else has, and that are over
local flights = KEYS[1]

redis.call('HLEN', flights)
redis.call('HGETALL', flights)
redis.call('PEXPIRE', flights, 1)
redis.call('DEL', flights)
return 1
