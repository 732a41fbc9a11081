-- Invalidations by tag, by prefix and of namespaces, as fences: what was set before the revision of one is gone or stale.
local TAGS_MAX = 4096
local PREFIXES_MAX = 32
local PREFIX_MAX_BYTES = 1024
local NEVER = 1e308

local function tag_key(s, generation)
  return s.root .. 'f' .. generation % 2
end

local function begin_tags(s)
  if call('HLEN', tag_key(s, s.generation)) < TAGS_MAX then return false end
  s.generation = s.generation + 1
  return true
end

local function raise_tags(s, namespace, tags, soft)
  local r, name = claim_record(s, namespace)
  local key = tag_key(s, s.generation)
  for _, tag in ipairs(tags) do
    local field = namespace .. '\0' .. tag
    local former = call('HGET', key, field)
    local hard, hard_at, softened = 0, 0, 0
    if former then hard, hard_at, softened = parse('>I6I6I6', former) end
    if soft then softened = s.revision else hard, hard_at = s.revision, s.now end
    call('HSET', key, field, pack('>I6I6I6', hard, hard_at, softened))
  end
  if soft then r.own_soft = s.revision else r.own_hard, r.own_hard_at = s.revision, s.now end
  write_record(s, name, r)
end

-- { soft, revision, at, prefix } each.
local function read_prefixes(s, namespace)
  local bytes = call('HGET', s.root .. 'p', namespace)
  if not bytes then lose(s) end
  local fences = {}
  local at = 1
  while at <= #bytes do
    local soft, revision, raised_at, prefix
    soft, revision, raised_at, prefix, at = parse('>BI6I6Hc0', bytes, at)
    fences[#fences + 1] = { soft = soft == 1, revision = revision, at = raised_at, prefix = prefix }
  end
  return fences
end

local function write_prefixes(s, namespace, r, fences)
  r.prefixes = #fences
  if #fences == 0 then
    call('HDEL', s.root .. 'p', namespace)
    return
  end
  local parts = {}
  for i, fence in ipairs(fences) do
    parts[i] = pack('>BI6I6', fence.soft and 1 or 0, fence.revision, fence.at) .. sized(fence.prefix)
  end
  call('HSET', s.root .. 'p', namespace, concat(parts))
end

local function begins_with(text, prefix)
  return sub(text, 1, #prefix) == prefix
end

local function common_length(one, other)
  local low, high = 0, math.min(#one, #other)
  while low < high do
    local middle = floor((low + high + 1) / 2)
    if sub(one, 1, middle) == sub(other, 1, middle) then low = middle else high = middle - 1 end
  end
  return low
end

-- The fences without those that the new one covers.
local function without_covered(fences, new)
  local kept = {}
  for _, fence in ipairs(fences) do
    local is_covered = begins_with(fence.prefix, new.prefix) and (fence.soft or not new.soft)
    if not is_covered then kept[#kept + 1] = fence end
  end
  return kept
end

-- The fences without those that a sweep has applied to all entries. Leases may be older than a fence that goes: none from
-- before it stays good.
local function without_swept(s, r, fences)
  local kept = {}
  for _, fence in ipairs(fences) do
    if fence.revision > s.swept then
      kept[#kept + 1] = fence
    elseif fence.revision > r.lease_floor then
      r.lease_floor = fence.revision
    end
  end
  return kept
end

-- Makes one of the new fence and of that which has most in common with it. False: none has anything in common with it.
local function merge(fences, new)
  local best, length = nil, 0
  for i, fence in ipairs(fences) do
    local common = common_length(fence.prefix, new.prefix)
    if common > length then best, length = i, common end
  end
  if not best then return false end
  local fence = fences[best]
  fence.prefix = sub(new.prefix, 1, length)
  fence.soft = fence.soft and new.soft
  fence.revision, fence.at = new.revision, new.at
  return true
end

local function raise_prefix(s, namespace, prefix, soft)
  local r, name = claim_record(s, namespace)
  local new = { soft = soft, revision = s.revision, at = s.now, prefix = sub(prefix, 1, PREFIX_MAX_BYTES) }
  if new.prefix == '' or name == SHARED then
    clear_namespace(r, soft, s.revision, s.now)
  else
    local former = r.prefixes > 0 and read_prefixes(s, namespace) or {}
    local fences = without_covered(former, new)
    if #fences >= PREFIXES_MAX then fences = without_swept(s, r, fences) end
    if #fences < PREFIXES_MAX then
      fences[#fences + 1] = new
    elseif not merge(fences, new) then
      clear_namespace(r, soft, s.revision, s.now)
    end
    write_prefixes(s, namespace, r, fences)
  end
  write_record(s, name, r)
end

-- Both generations at the newer revision of each kind.
local function tag_fences(s, namespace, tags)
  local fields = {}
  for i, tag in ipairs(tags) do fields[i] = namespace .. '\0' .. tag end
  local fences = {}
  for generation = 0, 1 do
    local found = call('HMGET', s.root .. 'f' .. generation, spread(fields))
    for i = 1, #fields do
      if found[i] then
        local hard, hard_at, soft = parse('>I6I6I6', found[i])
        local fence = fences[i] or { hard = 0, hard_at = 0, soft = 0 }
        if hard > fence.hard then fence.hard, fence.hard_at = hard, hard_at end
        if soft > fence.soft then fence.soft = soft end
        fences[i] = fence
      end
    end
  end
  return fences
end

-- When the earliest hard fence was raised that covers it (NEVER: none does), and whether a soft one covers it.
local function cover(s, namespace, key, tags, version)
  local hard_at, soft = NEVER, false
  local function consider(hard, at, softened)
    if version < hard and at < hard_at then hard_at = at end
    if version < softened then soft = true end
  end
  local one, other = records_about(s, namespace, version)
  if not one then return hard_at, soft end
  for _, r in ipairs({ one, other }) do
    consider(r.clear_hard, r.clear_hard_at, r.clear_soft)
    if #tags > 0 then consider(r.floor_hard, r.floor_hard_at, r.floor_soft) end
  end
  for _, fence in ipairs(one.prefixes > 0 and read_prefixes(s, namespace) or {}) do
    if begins_with(key, fence.prefix) then
      if fence.soft then consider(0, 0, fence.revision) else consider(fence.revision, fence.at, 0) end
    end
  end
  if #tags > 0 then
    if one.own_hard + one.own_soft > 0 and call('EXISTS', tag_key(s, s.generation)) == 0 then lose(s) end
    for _, fence in pairs(tag_fences(s, namespace, tags)) do consider(fence.hard, fence.hard_at, fence.soft) end
  end
  return hard_at, soft
end

-- What was loaded since this revision may be older than an invalidation.
local function is_fenced_since(s, namespace, key, tags, revision)
  local one, other = records_about(s, namespace, revision)
  if one and revision < one.lease_floor or other and revision < other.lease_floor then return true end
  local hard_at, soft = cover(s, namespace, key, tags, revision)
  return soft or hard_at ~= NEVER
end
