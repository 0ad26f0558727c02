import { createHash } from 'node:crypto';

/** A Lua script and the digest that the server knows it by. */
export interface Script {
  readonly lua: string;
  readonly sha: string;
}

/** How long an inbox's name is: 16 random bytes in base64url. Its channel is a prefix and the name. */
const INBOX_LENGTH = 22;

/*
 * What Redis holds of an id, all under one hash tag, so on one node:
 *
 * | key            | type   | value                                          | expires after                       |
 * | -------------- | ------ | ---------------------------------------------- | ----------------------------------- |
 * | owner          | string | `fence|token|inbox` of the current flight      | its lease                           |
 * | waiters        | set    | the inboxes of those who wait for it           | the lease and one more              |
 * | fence          | string | the last fence                                 | 60 s after the last lead            |
 * | result:<fence> | hash   | t token, p payload, s seal, i 1 if it is small | `retainMs`                          |
 * | last           | string | `fence|retainMs|lingerMs` of the last result   | `retainMs`                          |
 * | apart          | hash   | by fence `token inboxes` (all of one length)   | the lease, or `retainMs`            |
 * | forgotten      | string | the last fence that was forgotten              | 60 s after its lease                |
 *
 * `apart` has those who wait for a flight that is current no more: a forgotten one, which still runs, and one that has
 * landed with so many of them that they are served page by page. A new leader does not touch it. A result without a
 * payload says that its flight has published, and that nothing is kept.
 *
 * Ids, tokens, inboxes and seals are of [A-Za-z0-9_-]. A message is `<kind><id>|<fence>|<seal>|<body>`, its kind one of
 * s (settled, with the payload), p (settled, the payload is to be fetched), a (abandoned), f (forgotten).
 */

// Numbers are doubles in Lua: exact up to 2^53, which microseconds reach in the year 2255, but printed as 1.7e+15.
const SHARED = `
local function split(owner) return string.match(owner, '^(%d+)|([^|]+)|(.*)$') end
local function publish(channel, message, inboxes, from, to)
  for i = from, to do redis.call('PUBLISH', channel .. inboxes[i], message) end
end
local function apart(key, fence)
  local entry = redis.call('HGET', key, fence)
  if not entry then return nil end
  local token, rest = string.match(entry, '^([^ ]+) (.*)$')
  local inboxes = {}
  for i = 1, #rest, ${INBOX_LENGTH} do inboxes[#inboxes + 1] = string.sub(rest, i, i + ${INBOX_LENGTH - 1}) end
  return token, inboxes
end
local function part(key, fence, token, inboxes, from)
  redis.call('HSET', key, fence, token .. ' ' .. table.concat(inboxes, '', from))
end
local function forgotten(key, fence)
  local last = redis.call('GET', key)
  return last and tonumber(last) >= tonumber(fence)
end
-- of the others who wait in the same process, by the fences that they wait for: does one need its inbox in that flight,
-- or in that of those who wait for the current one? Those of a flight that is apart do not
local function awaited(others, fence)
  for one in string.gmatch(others, '%d+') do if one == fence or one == '0' then return true end end
end
local function awaitedHere(others, key)
  for one in string.gmatch(others, '%d+') do if not apart(key, one) then return true end end
end
local function extend(key, ms)
  if redis.call('PTTL', key) < tonumber(ms) then redis.call('PEXPIRE', key, ms) end
end
`;

/** One that may call what is shared. */
export function script(name: string, body: string): Script {
  // The name is for whoever reads what the server prints of an EVAL.
  const lua = `-- nestjs-singleflight ${name}\n${SHARED}${body}`;
  return { lua, sha: createHash('sha1').update(lua).digest('hex') };
}
