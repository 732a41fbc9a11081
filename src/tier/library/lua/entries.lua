-- Entries: bytes with a head of fixed size, the texts of a Set, and the value. Most calls read only what is before the value.
local FIXED = '>BI3I6I6I6I6'
local FIXED_BYTES = 28
local SOURCE_BYTES = 8
-- Small entries are read as a whole.
local PEEK_BYTES = 512
local PEEK_LAST = '511'
local STALED, ABSENT, HAS_SOURCE, HAS_TAGS = 1, 2, 4, 8
-- Every entry ends, so that the engine may evict it: what has no end lives for ten years.
local ENDLESS_MS = 315360000000

local FRESH, PAST_TTL, SOFTLY_GONE, GONE = 0, 1, 2, 3

local NO_TAGS = {}

-- Made once for each operation.
local function entry_key(s, op)
  local key = op.entry_key
  if not key then
    key = s.root .. 'e:' .. op.name
    op.entry_key = key
  end
  return key
end

-- The entry, at least up to its value; nil: there is none.
local function read_entry(s, op)
  local key = entry_key(s, op)
  local raw = call('GETRANGE', key, '0', PEEK_LAST)
  if raw == '' then return nil end
  local flags, meta, version, _, fresh_until, gone_at = parse(FIXED, raw)
  if meta > #raw then raw = call('GETRANGE', key, '0', integer(meta - 1)) end
  -- All fields at once: a table that grows is built anew each time it doubles.
  local e = {
    key = key, raw = raw, source = NONE, is_whole = #raw < PEEK_BYTES, flags = flags, meta = meta, version = version,
    fresh_until = fresh_until, gone_at = gone_at, tail = FIXED_BYTES + 1, ended_at = 0,
  }
  if flags > 0 and has_flag(flags, HAS_SOURCE) then
    e.source = sub(e.raw, e.tail, e.tail + SOURCE_BYTES - 1)
    e.tail = e.tail + SOURCE_BYTES
  end
  return e
end


local function tags_of(e)
  if not has_flag(e.flags, HAS_TAGS) then return NO_TAGS end
  local _, _, at = parse('>Bc0Bc0', e.raw, e.tail)
  return texts_from(e.raw, at, e.meta)
end

-- The state of an entry, and when it ended if it is gone.
local function state_of(s, e, namespace, key)
  if e.version <= s.base then return GONE, s.claimed_at end
  local ended_at = NEVER
  if e.gone_at > 0 and s.now >= e.gone_at then ended_at = e.gone_at end
  local flags = e.flags
  local softly = flags > 0 and has_flag(flags, STALED)
  local tagged = flags > 0 and has_flag(flags, HAS_TAGS)
  if e.version < s.newest_prefix or (tagged and e.version < s.newest_tag) then
    local hard_at, soft = cover(s, namespace, key, tags_of(e), e.version)
    if hard_at < ended_at then ended_at = hard_at end
    softly = softly or soft
  end
  if ended_at ~= NEVER then return GONE, ended_at end
  if softly then return SOFTLY_GONE end
  if e.fresh_until == 0 or s.now < e.fresh_until then return FRESH end
  return PAST_TTL
end

-- The entry and its state, GONE when there is none; `ended_at` is in an entry that is gone.
local function find_entry(s, op)
  local e = read_entry(s, op)
  if not e then return nil, GONE end
  local state, ended_at = state_of(s, e, op.namespace, op.key)
  e.ended_at = ended_at or s.now
  return e, state
end

-- Stores an entry in the place of `former`. `tail`: its texts.
local function put_entry(s, op, former, new)
  local source, gone_at = new.source, new.gone_at
  local flags = new.flags
  local meta = FIXED_BYTES + #new.tail
  local source_bytes = ''
  if source ~= NONE then
    flags = flags + HAS_SOURCE
    meta = meta + SOURCE_BYTES
    source_bytes = source
    remove_tombstone(s, op.name)
  elseif former then
    add_tombstone(s, op.name, former.source, former.ended_at)
  end
  local ends_at = gone_at == 0 and s.now + ENDLESS_MS or gone_at
  -- What is known of the source outlives the entry.
  if source ~= NONE then ends_at = ends_at + KEEP_MS end
  local bytes = pack(FIXED, flags, meta, s.revision, s.now, new.fresh_until, gone_at) .. source_bytes .. new.tail .. new.value
  call('SET', entry_key(s, op), bytes, 'PXAT', integer(ends_at))
end

local function lifetimes(s, ttl, stale)
  if ttl == 0 then return 0, 0 end
  return s.now + ttl, s.now + ttl + stale
end

local function remove_entry(s, name, e)
  add_tombstone(s, name, e.source, e.ended_at)
  call('UNLINK', e.key)
end

local function mark_staled(e)
  if not has_flag(e.flags, STALED) then call('SETRANGE', e.key, '0', string.char(e.flags + STALED)) end
end
