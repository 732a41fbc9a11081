-- A record for each namespace: its clears, and the floor of its tag fences. Fences of tags are in two generations; when the
-- current one is full, the older one is dropped, and what it had becomes the floor of each of its namespaces: a revision that
-- covers everything older with a tag. A record keeps the newest fences of its last two generations, so that the floors rise
-- without a pass over them. Beyond the bound namespaces share the record ''.
local RECORD = '>I6I6I6I6I6I6I6I4I6I6I6I4I6I6I6I6B'
local RECORDS_MAX = 4096
local SHARED = ''

local function raise_floor(r, hard, hard_at, soft)
  if hard > r.floor_hard then r.floor_hard, r.floor_hard_at = hard, hard_at end
  if soft > r.floor_soft then r.floor_soft = soft end
end

-- Brings the two generations of the record up to the current one.
local function advance_record(r, generation)
  if r.own < generation then
    raise_floor(r, r.old_hard, r.old_hard_at, r.old_soft)
    r.old, r.old_hard, r.old_hard_at, r.old_soft = r.own, r.own_hard, r.own_hard_at, r.own_soft
    r.own, r.own_hard, r.own_hard_at, r.own_soft = generation, 0, 0, 0
  end
  if r.old < generation - 1 then
    raise_floor(r, r.old_hard, r.old_hard_at, r.old_soft)
    r.old_hard, r.old_hard_at, r.old_soft = 0, 0, 0
  end
  return r
end

local function new_record(s)
  return {
    born = s.revision, clear_hard = 0, clear_hard_at = 0, clear_soft = 0, floor_hard = 0, floor_hard_at = 0, floor_soft = 0,
    own = s.generation, own_hard = 0, own_hard_at = 0, own_soft = 0,
    old = 0, old_hard = 0, old_hard_at = 0, old_soft = 0, lease_floor = 0, prefixes = 0,
  }
end

local function read_record(s, namespace)
  local bytes = call('HGET', s.root .. 'n', namespace)
  if not bytes then return nil end
  local r = {}
  r.born, r.clear_hard, r.clear_hard_at, r.clear_soft, r.floor_hard, r.floor_hard_at, r.floor_soft,
    r.own, r.own_hard, r.own_hard_at, r.own_soft, r.old, r.old_hard, r.old_hard_at, r.old_soft, r.lease_floor, r.prefixes =
    parse(RECORD, bytes)
  return advance_record(r, s.generation)
end

local function write_record(s, name, r)
  call('HSET', s.root .. 'n', name, pack(RECORD, r.born, r.clear_hard, r.clear_hard_at, r.clear_soft, r.floor_hard, r.floor_hard_at,
    r.floor_soft, r.own, r.own_hard, r.own_hard_at, r.own_soft, r.old, r.old_hard, r.old_hard_at, r.old_soft, r.lease_floor, r.prefixes))
end

-- The record that a fence of the namespace is to be written to, and its name.
local function claim_record(s, namespace)
  local r = read_record(s, namespace)
  if r then return r, namespace end
  if call('HLEN', s.root .. 'n') < RECORDS_MAX then return new_record(s), namespace end
  return read_record(s, SHARED) or new_record(s), SHARED
end

-- The records that concern what was set at this version: a namespace shared one until it had one of its own.
local function records_about(s, namespace, version)
  local own = read_record(s, namespace)
  if own and version >= own.born then return own, nil end
  local shared = read_record(s, SHARED)
  if own or shared then return own or shared, own and shared end
  if (s.newest_tag > 0 or s.newest_prefix > 0) and call('EXISTS', s.root .. 'n') == 0 then lose(s) end
  return nil, nil
end

local function clear_namespace(r, soft, revision, at)
  if soft then r.clear_soft = revision else r.clear_hard, r.clear_hard_at = revision, at end
end
