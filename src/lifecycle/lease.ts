/**
 * A lease: a key that holds the token of its owner and lapses by itself. Taking, prolonging and giving up check the
 * token inside the script, so that one who was paused past the lease can do nothing to another's.
 *
 * @internal
 */
import * as Redis from "../Redis.js"

export const luaLease = `
-- pcall: a foreign type under the name of one lock must not stop the others; it counts as held by somebody
local function holderOf(key)
  local holder = redis.pcall("GET", key)
  if type(holder) == "table" then return "a foreign " .. redis.call("TYPE", key)["ok"] end
  return holder
end

local function holdsLease(key, token)
  return holderOf(key) == token
end

-- True when the lease is the token's now; else false, who holds it, and in how many milliseconds it lapses.
local function takeLease(key, token, millis)
  if redis.call("SET", key, token, "PX", millis, "NX") then return true end
  local holder = holderOf(key)
  if holder == token then
    redis.call("PEXPIRE", key, millis)
    return true
  end
  return false, holder, redis.call("PTTL", key)
end

local function prolongLease(key, token, millis)
  if not holdsLease(key, token) then return false end
  redis.call("PEXPIRE", key, millis)
  return true
end

-- Whoever waits for the lease listens on the channel.
local function endLease(key, token, channel)
  if not holdsLease(key, token) then return false end
  redis.call("DEL", key)
  redis.call("PUBLISH", channel, "released")
  return true
end
`

export type Taken =
  | { readonly _tag: "Taken" }
  | {
    readonly _tag: "Held"
    readonly by: string
    /** In how many milliseconds it lapses unless it is prolonged; undefined when it never does. */
    readonly lapsesIn: number | undefined
  }

/** Takes the lease, or prolongs it when it is the token's already. May be repeated. */
export const take = Redis.script((key: string, token: string, millis: number) => [key, token, millis], {
  name: "take-lease",
  numberOfKeys: 1,
  lua: `${luaLease}
local taken, holder, lapses = takeLease(KEYS[1], ARGV[1], ARGV[2])
if taken then return { 1 } end
return { 0, holder, lapses }
`,
  result: (reply: readonly [1] | readonly [0, string, number]): Taken =>
    reply[0] === 1
      ? { _tag: "Taken" }
      : { _tag: "Held", by: reply[1], lapsesIn: reply[2] < 0 ? undefined : reply[2] }
})

/** False when the lease is not the token's any more. */
export const prolong = Redis.script((key: string, token: string, millis: number) => [key, token, millis], {
  name: "prolong-lease",
  numberOfKeys: 1,
  lua: `${luaLease}
return prolongLease(KEYS[1], ARGV[1], ARGV[2]) and 1 or 0
`,
  result: (prolonged: number): boolean => prolonged === 1
})

/** Ends the lease and tells those who wait; false when it was not the token's. */
export const end = Redis.script((key: string, token: string, channel: string) => [key, channel, token], {
  name: "end-lease",
  numberOfKeys: 2,
  lua: `${luaLease}
return endLease(KEYS[1], ARGV[1], KEYS[2]) and 1 or 0
`,
  result: (ended: number): boolean => ended === 1
})
