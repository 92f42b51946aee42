-- Joins the flight of a name as a waiter, or makes the caller's token its leader.
--
-- KEYS  1 the flights of the name, 2 the fence of its scope, 3 the refusal of the caller's token
-- ARGV  1 token, 2 waiter, 3 lease in ms, 4 how many waiters a flight notes, 5 the flight that the caller has waited for,
--       or nothing, 6 window in ms, or nothing
-- Answers {0}: lead; {1, token, ms to go, age in ms, or -1 of one that can be joined no more}: follow; {2}: refused.
--
-- The hash has these fields: `t` the flight that can be joined, `e` the fence that it began under, `b` when it began, and of
-- each flight `d:<token>` when its lease ends and `w:<token>` who waits for it. Times are this server's, in ms.
local flights, fence, refusal = KEYS[1], KEYS[2], KEYS[3]
local token, waiter, lease, most = ARGV[1], ARGV[2], tonumber(ARGV[3]), tonumber(ARGV[4])
local was, window = ARGV[5], tonumber(ARGV[6])

local marks = redis.call('MGET', fence, refusal)
if marks[2] then
  return {2}
end
local there = redis.call('HMGET', flights, 'd:' .. token, 't', 'e', 'b')
-- The same join was asked for before, and its answer was lost.
if there[1] then
  return {0}
end
local epoch, current = marks[1] or '', there[2]

local time = redis.call('TIME')
local now = time[1] * 1000 + math.floor(time[2] / 1000)

-- Waits for that flight, if its lease has not ended.
local function follow(flight)
  local ends = tonumber(redis.call('HGET', flights, 'd:' .. flight) or 0)
  if ends <= now then
    return nil
  end
  -- The clock was set back, or is that of a replica that has taken over. If the leader lives, it renews in time.
  if ends > now + 2 * lease then
    ends = now + 2 * lease
    redis.call('HSET', flights, 'd:' .. flight, ends)
  end
  -- All waiters have one length. Above the limit they look by themselves, and are not told.
  local waiters = redis.call('HGET', flights, 'w:' .. flight) or ''
  if not string.find(waiters, waiter, 1, true) and #waiters < most * #waiter then
    redis.call('HSET', flights, 'w:' .. flight, waiters .. waiter)
  end
  -- A millisecond more, since times are cut to whole ones.
  return {1, flight, ends - now, flight == current and now - tonumber(there[4]) + 1 or -1}
end

if was ~= '' then
  local followed = follow(was)
  if followed then
    return followed
  end
end

if current then
  local young = not window or now - tonumber(there[4]) < window
  if young and there[3] == epoch then
    local followed = follow(current)
    if followed then
      return followed
    end
  end
  -- A flight that is replaced while its lease lasts keeps its waiters: its leader will close it.
  if tonumber(redis.call('HGET', flights, 'd:' .. current) or 0) <= now then
    redis.call('HDEL', flights, 'd:' .. current, 'w:' .. current)
  end
  -- Nobody removes a replaced flight whose leader died, so such flights are looked for now and then.
  local fields = redis.call('HLEN', flights)
  if fields >= 16 and fields % 8 < 2 then
    local all = redis.call('HGETALL', flights)
    for i = 1, #all, 2 do
      if string.sub(all[i], 1, 2) == 'd:' and tonumber(all[i + 1]) <= now then
        redis.call('HDEL', flights, all[i], 'w:' .. string.sub(all[i], 3))
      end
    end
  end
end

redis.call('HSET', flights, 't', token, 'e', epoch, 'b', now, 'd:' .. token, now + lease)
if redis.call('PTTL', flights) < 2 * lease then
  redis.call('PEXPIRE', flights, 2 * lease)
end
return {0}
