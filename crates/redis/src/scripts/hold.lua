-- Lets a closed flight be pending for that long from now.
--
-- KEYS  1 the flight's result
-- ARGV  1 how long in ms
local state = redis.call('GETRANGE', KEYS[1], 0, 0)
if state == 'P' then
  redis.call('PEXPIRE', KEYS[1], ARGV[1])
elseif state == '' then
  -- It had expired, and the list of its waiters with it: they look by themselves.
  redis.call('SET', KEYS[1], 'P', 'PX', ARGV[1])
end
return 1
