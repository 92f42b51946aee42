-- Makes a flight's message readable, and tells its waiters.
--
-- KEYS  1 the flight's result
-- ARGV  1 the message, 2 how long it is kept in ms, 3 name and token as they stand before the message in what waiters are
--       told, 4 the longest message that they are told in bytes; a longer one they come and read, 5 what channels begin with
local result, message = KEYS[1], ARGV[1]

local waiters = ''
if redis.call('GETRANGE', result, 0, 0) == 'P' then
  waiters = string.sub(redis.call('GET', result), 2)
end
-- A server without memory cannot keep the message. Waiters that are told it need no more. The others find nothing, and do
-- not wait until the pending result expires.
local kept = redis.pcall('SET', result, 'M' .. message, 'PX', ARGV[2])
if kept.err then
  redis.call('DEL', result)
end

local news = ARGV[3]
if #message <= tonumber(ARGV[4]) then
  news = news .. message
end
-- Those that begin with `n` are told; `p` are those that poll.
for inbox in string.gmatch(waiters, 'n(%x+)') do
  redis.call('PUBLISH', ARGV[5] .. inbox, news)
end
if kept.err then
  return kept
end
return 1
