-- What the library uses of the engine. At load time neither redis.call nor the libraries of Lua exist: the first call fetches
-- them. Numbers in strings are big endian.
local call, pack, parse, spread, sub, byte, format, floor, concat

local function prepare()
  if call then return end
  call, pack, parse, spread = redis.call, struct.pack, struct.unpack, unpack
  sub, byte, format = string.sub, string.byte, string.format
  floor, concat = math.floor, table.concat
end

local NONE = '\0\0\0\0\0\0\0\0'

-- Lua compares strings by the locale of the engine.
local function is_less(one, other)
  local a, b = parse('>I4I4', one)
  local c, d = parse('>I4I4', other)
  return a < c or (a == c and b < d)
end

local function has_flag(flags, flag)
  return floor(flags / flag) % 2 == 1
end

-- Arguments of the engine are text: a number that redis.call turns into text takes several times as long.
local function integer(number)
  return format('%d', number)
end

local function sized(text)
  return pack('>H', #text) .. text
end

-- The texts behind `at`, each behind its length.
local function texts_from(bytes, at, last)
  local texts = {}
  while at <= last do
    local text
    text, at = parse('>Hc0', bytes, at)
    texts[#texts + 1] = text
  end
  return texts
end

local function replication_id()
  return string.match(call('INFO', 'replication'), 'master_replid:(%x+)')
end
