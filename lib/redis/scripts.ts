import { script } from './lua.js';

/** How many inboxes one call of a script serves at most: the server does nothing else meanwhile. */
export const PAGE = 256;

/** How long the fence counter stays. A missing one is seeded from the server's clock, which is ahead of any counter. */
const COUNTER_MS = 60_000;

/** How long it is known after its lease that a flight was forgotten: longer than its leader may believe to hold it. */
const FORGOTTEN_MS = 60_000;

/**
 * KEYS owner, waiters, fence, last, apart, result of the flight waited for
 * ARGV token, inbox, leaseMs, since (0: fresh), take, maxAgeMs of a lingering result, others (who wait in this process)
 * → leader, fence | follower, fence, expiresInMs | settled, fence, seal, payload (nil: to be fetched) | orphan
 */
export const JOIN = script(
  'join',
  `
local token, inbox, lease, since = ARGV[1], ARGV[2], tonumber(ARGV[3]), ARGV[4]
local owner = redis.call('GET', KEYS[1])
local fence, leader
if owner then
  fence, leader = split(owner)
  if leader == token then return {'leader', fence} end
end

if since ~= '0' then
  local result = redis.call('HMGET', KEYS[6], 's', 'i')
  if result[2] then
    return {'settled', since, result[1], result[2] == '1' and redis.call('HGET', KEYS[6], 'p')}
  end
  local running, inboxes = apart(KEYS[5], since)
  if running then
    local listed = false
    for _, one in ipairs(inboxes) do listed = listed or one == inbox end
    if not listed then
      inboxes[#inboxes + 1] = inbox
      part(KEYS[5], since, running, inboxes)
    end
    return {'follower', since, redis.call('PTTL', KEYS[5])}
  end
end

if owner then
  local rest = redis.call('PTTL', KEYS[1])
  redis.call('SADD', KEYS[2], inbox)
  redis.call('PEXPIRE', KEYS[2], rest + lease)
  return {'follower', fence, rest}
end

local last = redis.call('GET', KEYS[4])
if last then
  local ended, kept, lingers = string.match(last, '^(%d+)|(%d+)|(%d+)$')
  local age = kept - redis.call('PTTL', KEYS[4])
  if since == '0' and age < tonumber(lingers) and age < tonumber(ARGV[6]) then return {'settled', ended} end
  if since ~= '0' and tonumber(ended) >= tonumber(since) then return {'settled', ended} end
end

if ARGV[5] == '0' then
  redis.call('SADD', KEYS[2], inbox)
  redis.call('PEXPIRE', KEYS[2], 2 * lease)
  return {'orphan'}
end

local next = redis.call('INCR', KEYS[3])
if next == 1 then
  local now = redis.call('TIME')
  next = now[1] * 1000000 + now[2]
end
if next <= tonumber(since) then next = since + 1 end
fence = string.format('%.0f', next)
redis.call('SET', KEYS[3], fence, 'PX', ${COUNTER_MS})
redis.call('SET', KEYS[1], fence .. '|' .. token .. '|' .. inbox, 'PX', lease)
if not awaitedHere(ARGV[7], KEYS[5]) then redis.call('SREM', KEYS[2], inbox) end
return {'leader', fence}
`,
);

/**
 * KEYS owner, waiters, last, apart, result, forgotten
 * ARGV id, token, fence, payload, seal, small, retainMs, lingerMs, insideLease, retain, channel, page
 * → published, how many inboxes are still to be served | lost
 */
export const COMPLETE = script(
  'complete',
  `
local id, token, fence, retain = ARGV[1], ARGV[2], ARGV[3], ARGV[10] == '1'
local owner = redis.call('GET', KEYS[1])
local leads, leader
if owner then leads, leader = split(owner) end
local inboxes
local current = leads == fence and leader == token
local latest = current
if not current then
  local by = redis.call('HGET', KEYS[5], 't')
  if by then return {by == token and 'published' or 'lost', 0} end
  local runs, theirs = apart(KEYS[4], fence)
  if runs == token then
    inboxes = theirs
    redis.call('HDEL', KEYS[4], fence)
  else
    local last = redis.call('GET', KEYS[3])
    local newer = last and tonumber(string.match(last, '^%d+')) > tonumber(fence)
    if owner or newer or ARGV[9] == '0' then return {'lost'} end
    -- the server has lost its data, or its clock runs fast: nobody has led since
    current = true
    latest = not forgotten(KEYS[6], fence)
  end
end
if current then
  inboxes = redis.call('SMEMBERS', KEYS[2])
  redis.call('DEL', KEYS[1], KEYS[2])
end

local page = tonumber(ARGV[12])
redis.call('HSET', KEYS[5], 't', token)
-- the pages to come take the payload from here
if retain or #inboxes > page then redis.call('HSET', KEYS[5], 'p', ARGV[4], 's', ARGV[5], 'i', ARGV[6]) end
redis.call('PEXPIRE', KEYS[5], ARGV[7])
if retain and latest then
  redis.call('SET', KEYS[3], fence .. '|' .. ARGV[7] .. '|' .. ARGV[8], 'PX', ARGV[7])
end

local message = 'p' .. id .. '|' .. fence .. '||'
if ARGV[6] == '1' then message = 's' .. id .. '|' .. fence .. '|' .. ARGV[5] .. '|' .. ARGV[4] end
local first = math.min(#inboxes, page)
publish(ARGV[11], message, inboxes, 1, first)
if #inboxes > first then
  part(KEYS[4], fence, token, inboxes, first + 1)
  extend(KEYS[4], ARGV[7])
end
return {'published', #inboxes - first}
`,
);

/**
 * Tells the next page of those who wait for a flight that is apart: its result, which takes them off, or that it is
 * forgotten, which leaves them.
 *
 * KEYS apart, result
 * ARGV id, fence, kind (s or f), seal, skip, channel, page
 * → how many are left
 */
export const SERVE = script(
  'serve',
  `
local id, fence, settled, skip = ARGV[1], ARGV[2], ARGV[3] == 's', tonumber(ARGV[5])
local token, inboxes = apart(KEYS[1], fence)
if not token then return 0 end
local message = 'f' .. id .. '|' .. fence .. '|' .. ARGV[4] .. '|'
if settled then
  local result = redis.call('HMGET', KEYS[2], 's', 'i')
  message = 'p' .. id .. '|' .. fence .. '||'
  if result[2] == '1' then
    message = 's' .. id .. '|' .. fence .. '|' .. result[1] .. '|' .. redis.call('HGET', KEYS[2], 'p')
  end
end
local upTo = math.min(#inboxes, skip + tonumber(ARGV[7]))
publish(ARGV[6], message, inboxes, skip + 1, upTo)
if settled and upTo == #inboxes then redis.call('HDEL', KEYS[1], fence)
elseif settled then part(KEYS[1], fence, token, inboxes, upTo + 1) end
return #inboxes - upTo
`,
);

/**
 * KEYS owner, waiters, last, apart, result, forgotten
 * ARGV token, inbox, fence, leaseMs, insideLease
 * → held | reclaimed | lost
 */
export const RENEW = script(
  'renew',
  `
local token, inbox, fence, lease = ARGV[1], ARGV[2], ARGV[3], ARGV[4]
local mine = fence .. '|' .. token .. '|' .. inbox
local owner = redis.call('GET', KEYS[1])
if owner == mine then
  redis.call('PEXPIRE', KEYS[1], lease)
  redis.call('PEXPIRE', KEYS[2], 2 * lease)
  return 'held'
end
if apart(KEYS[4], fence) == token and redis.call('EXISTS', KEYS[5]) == 0 then
  extend(KEYS[4], lease)
  extend(KEYS[6], 2 * lease)
  return 'held'
end
if forgotten(KEYS[6], fence) then return 'lost' end
local last = redis.call('GET', KEYS[3])
local newer = last and tonumber(string.match(last, '^%d+')) >= tonumber(fence)
if owner or newer or ARGV[5] == '0' or redis.call('EXISTS', KEYS[5]) == 1 then return 'lost' end
redis.call('SET', KEYS[1], mine, 'PX', lease)
redis.call('PEXPIRE', KEYS[2], 2 * lease)
return 'reclaimed'
`,
);

/**
 * A leader's gives the lead up and wakes one page of those who wait: any of them takes over, and whoever does tells the
 * others. A follower's takes its inbox off.
 *
 * KEYS owner, waiters, apart
 * ARGV id, token, inbox, fence (empty: unknown), unlessWaiting, others, seal, channel, page
 * → abandoned | waiting
 */
export const ABANDON = script(
  'abandon',
  `
local id, token, inbox, fence, others = ARGV[1], ARGV[2], ARGV[3], ARGV[4], ARGV[6]
local owner = redis.call('GET', KEYS[1])
local leads, leader
if owner then leads, leader = split(owner) end
local current = leader == token and (fence == '' or fence == leads)
local inboxes
if current then
  fence = leads
  inboxes = redis.call('SMEMBERS', KEYS[2])
else
  local runs, theirs = nil, nil
  if fence ~= '' then runs, theirs = apart(KEYS[3], fence) end
  if not runs then
    local here = fence == '' or not owner or fence == leads
    if here and not awaitedHere(others, KEYS[3]) then redis.call('SREM', KEYS[2], inbox) end
    return 'abandoned'
  end
  if runs ~= token then
    local left = {}
    for _, one in ipairs(theirs) do if one ~= inbox then left[#left + 1] = one end end
    if not awaited(others, fence) then part(KEYS[3], fence, runs, left) end
    return 'abandoned'
  end
  inboxes = theirs
end
if ARGV[5] == '1' and #inboxes > 0 then return 'waiting' end
local last = math.min(#inboxes, tonumber(ARGV[9]))
if current then
  redis.call('DEL', KEYS[1])
  for i = 1, last do redis.call('SREM', KEYS[2], inboxes[i]) end
else
  redis.call('HDEL', KEYS[3], fence)
end
publish(ARGV[8], 'a' .. id .. '|' .. fence .. '|' .. ARGV[7] .. '|' .. token, inboxes, 1, last)
return 'abandoned'
`,
);

/**
 * KEYS owner, waiters, last, apart, forgotten
 * ARGV id, seal, channel, page
 * → fence and how many inboxes have not been told yet | nothing when the id led nowhere
 */
export const FORGET = script(
  'forget',
  `
local last = redis.call('GET', KEYS[3])
if last then
  local result = string.match(last, '^%d+|%d+|')
  redis.call('SET', KEYS[3], result .. '0', 'PX', math.max(redis.call('PTTL', KEYS[3]), 1))
end
local owner = redis.call('GET', KEYS[1])
if not owner then return {} end
local fence, token, inbox = split(owner)
local inboxes = redis.call('SMEMBERS', KEYS[2])
part(KEYS[4], fence, token, inboxes)
local rest = math.max(redis.call('PTTL', KEYS[1]), 1)
extend(KEYS[4], rest)
redis.call('SET', KEYS[5], fence, 'PX', rest + ${FORGOTTEN_MS})
redis.call('DEL', KEYS[1], KEYS[2])
local message = 'f' .. ARGV[1] .. '|' .. fence .. '|' .. ARGV[2] .. '|'
redis.call('PUBLISH', ARGV[3] .. inbox, message)
local first = math.min(#inboxes, tonumber(ARGV[4]))
for i = 1, first do
  if inboxes[i] ~= inbox then redis.call('PUBLISH', ARGV[3] .. inboxes[i], message) end
end
return {fence, #inboxes - first}
`,
);
