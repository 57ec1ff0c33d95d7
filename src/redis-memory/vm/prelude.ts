/**
 * The part of the scripts' world that is written in Lua: which globals there are, that they can't be changed, and how
 * errors are told.
 *
 * It is given the functions of ours, and returns the globals of scripts, the table that holds them, and the handler
 * of errors.
 */
export const prelude = `
local ours = ...
local raw_pcall, getinfo, type, tostring, error = pcall, debug.getinfo, type, tostring, error
local raw_setmetatable, raw_rawset, raw_getmetatable = setmetatable, rawset, getmetatable

local protected = {}

local function readonly()
  error("Attempt to modify a readonly table", 2)
end

-- A table that reads as another and can't be written to.
local function lock(content)
  local locked = raw_setmetatable({}, { __index = content, __newindex = readonly })
  protected[locked] = content
  return locked
end

local function after_pcall(ok, e, ...)
  if not ok and type(e) == "table" then
    local text = e.err
    if type(text) == "string" or type(text) == "number" then return false, text, ... end
  end
  return ok, e, ...
end

local base = {
  assert = assert, collectgarbage = collectgarbage, error = error, gcinfo = gcinfo, getmetatable = getmetatable,
  ipairs = ipairs, load = load, loadstring = loadstring, rawequal = rawequal, rawget = rawget, select = select,
  tonumber = tonumber, tostring = tostring, type = type, unpack = unpack, xpcall = xpcall, _VERSION = _VERSION
}

base.pcall = function(...)
  if select("#", ...) == 0 then return end
  return after_pcall(raw_pcall(...))
end

base.rawset = function(t, k, v)
  if protected[t] then error("Attempt to modify a readonly table", 0) end
  return raw_rawset(t, k, v)
end

base.setmetatable = function(t, m)
  if protected[t] then error("Attempt to modify a readonly table", 0) end
  return raw_setmetatable(t, m)
end

local shown_of_strings, shown_of_globals
base.getmetatable = function(...)
  local t = ...
  if type(t) == "string" then return shown_of_strings end
  if protected[t] then return t == base._G and shown_of_globals or nil end
  return raw_getmetatable(...)
end

base.rawget = function(t, k) return rawget(protected[t] or t, k) end
base.next = function(t, ...) return next(protected[t] or t, ...) end
base.pairs = function(t, ...) return pairs(protected[t] or t, ...) end

for name, f in pairs(ours.string) do string[name] = f end
local shared_string = lock(string)
raw_getmetatable("").__index = shared_string
shown_of_strings = lock(raw_getmetatable(""))
base.string = shared_string

for name, f in pairs(ours.math) do math[name] = f end
base.math = lock(math)
base.table = lock(table)
base.coroutine = lock(coroutine)
base.redis = lock(ours.redis)
base.cjson = lock(ours.cjson)
base.bit = lock(ours.bit)

local no_such_global = {
  __index = function(_, name)
    error("Script attempted to access nonexistent global variable '" .. tostring(name) .. "'", 2)
  end
}
raw_setmetatable(base, no_such_global)
shown_of_globals = lock(no_such_global)

local globals = lock(base)
base._G = globals

-- The functions above stand where Redis has functions of C: they don't show in what is told of an error.
local function frame(level)
  repeat
    local info = getinfo(level + 1, "nSl")
    if not info or info.source ~= "=prelude" then return info, level end
    level = level + 1
  until false
end

local function on_error(e)
  local info, level = frame(2)
  if info and info.what == "C" then info = frame(level + 1) end
  if type(e) ~= "table" then e = { err = "ERR " .. tostring(e) } end
  if info then
    e.source = info.source
    e.line = info.currentline
  end
  return e
end

return globals, base, on_error
`
