-- Heads of shards, and the tenure: this process may go on with a shard when its head is the one that it wrote last. Library
-- memory is neither replicated nor saved, so that whatever lost or rolled back a suffix is seen at the next call. Where there is
-- no memory of the shard (the library was loaded again), the replication id says whether the node is the one that wrote it. What
-- is remembered counts only for as long as the node keeps that id.
local HEAD = '>Bc8c40I6I6I6I6I6I6I6I6I4c4'
local HEAD_FORMAT = 1
local CLAIM_STEP = 1048576

-- By the key of the head.
local shards = {}
-- Of the node, when it began to write what is remembered of them.
local replication

local function parse_head(bytes)
  if #bytes ~= 105 or byte(bytes) ~= HEAD_FORMAT then return nil end
  local s = { bytes = bytes }
  local _
  _, s.epoch, s.owner, s.revision, s.base, s.newest_tag, s.newest_prefix, s.time, s.claimed_at, s.tombs_until, s.swept, s.generation, s.layout =
    parse(HEAD, bytes)
  return s
end

local function write_head(s)
  local bytes = pack(HEAD, HEAD_FORMAT, s.epoch, s.owner, s.revision, s.base, s.newest_tag, s.newest_prefix, s.time, s.claimed_at,
    s.tombs_until, s.swept, s.generation, s.layout)
  call('SET', s.head_key, bytes)
  s.bytes = bytes
end

local function name_keys(s, head_key)
  s.head_key = head_key
  s.root = sub(head_key, 1, -2)
  s.stream = s.root .. 'x'
  s.buckets = {}
  return s
end

-- A node that is primary again has another replication id. What it remembers may be from before another node was primary in its
-- place, and so may its data, which then are as it remembers them: it has never had what the other wrote.
local function forget_former_tenure()
  local id = replication_id()
  if id ~= replication then shards, replication = {}, id end
end

-- The shard, when this process is its writer.
local function tenant(head_key, bytes)
  local s = shards[head_key]
  if s then
    if s.lost or s.bytes ~= bytes then return nil end
    if not s.busy then return s end
    -- A call died in the middle.
  end
  local found = bytes and parse_head(bytes)
  if not found then return nil end
  if not s and found.owner ~= replication_id() then return nil end
  shards[head_key] = name_keys(found, head_key)
  return found
end

-- The shard with the time of this call, or nil and an error.
local function enter(head_key, header)
  local now = run_now()
  if pause.suspect then return nil, suspect_error() end
  local s = tenant(head_key, call('GET', head_key))
  if not s then return nil, redis.error_reply('TENURE this process did not write the head of the shard last') end
  if header ~= s.header then
    if sub(header, 1, 4) ~= s.layout then return nil, redis.error_reply('LAYOUT the shard is of another layout') end
    s.header, s.stream_max = header, integer((parse('>I4', header, 5)))
  end
  s.now = now > s.time and now or s.time
  s.is_changed, s.records, s.ended = false, {}, {}
  s.busy = true
  return s
end

-- A key that the head says exists is missing.
local function lose(s)
  s.lost = true
  error('a part of the shard is lost')
end

local function record_of(s, what, rest)
  return pack('>I4I6B', #rest + 7, s.revision, what) .. rest
end

-- A mutation begins. Its record leaves with those of the whole call.
local function announce(s, what, op, names)
  s.revision = s.revision + 1
  s.time = s.now
  s.is_changed = true
  s.records[#s.records + 1] = record_of(s, what, sub(op.bytes, 2, op.about_last) .. names)
end

-- Wakes waiters of other servers. No mutation: it is in no stream.
local LEASE_ENDED = 64
local CLAIMED = 65

-- Without the writer.
local function tell_lease_ended(s, op)
  local about = sub(op.bytes, 2, 2 + #op.namespace) .. '\0\0\0'
  s.ended[#s.ended + 1] = record_of(s, LEASE_ENDED, about .. sized(op.key))
end

local TRIM_CALLS = 32

local function append(s, payload)
  local id = integer(s.revision) .. '-1'
  s.untrimmed = (s.untrimmed or 0) + 1
  if s.untrimmed < TRIM_CALLS then
    call('XADD', s.stream, id, 'e', payload)
  else
    s.untrimmed = 0
    call('XADD', s.stream, 'MAXLEN', '~', s.stream_max, id, 'e', payload)
  end
end

-- Writes the head and the records of the call, also of one that failed half-way: what it has done is announced. Nobody sees
-- anything of a call before its end.
local function conclude(s)
  if s.is_changed then write_head(s) end
  if #s.records == 0 and #s.ended == 0 then return end
  local payload = s.epoch .. concat(s.records)
  if #s.records > 0 then append(s, payload) end
  call('SPUBLISH', s.stream, payload .. concat(s.ended))
end

-- Revisions a millisecond that no shard can have had: where there is no head, they begin beyond all that were ever given, or entries
-- that are left of an earlier life would be newer than the base.
local REVISIONS_PER_MS = 64

local function claim(head_key, header, expected, epoch)
  local now = run_now()
  if pause.suspect then return suspect_error() end
  local bytes = call('GET', head_key) or ''
  if bytes ~= expected or tenant(head_key, bytes) then return { bytes, 0 } end
  local former = parse_head(bytes)
  local layout = sub(header, 1, 4)
  if former and former.layout ~= layout then return redis.error_reply('LAYOUT the shard is of another layout') end
  local s = name_keys(former or { revision = now * REVISIONS_PER_MS, time = 0, tombs_until = 0 }, head_key)
  s.epoch, s.owner, s.layout = epoch, replication_id(), layout
  s.revision = s.revision + CLAIM_STEP
  s.base = s.revision
  s.time = now > s.time and now or s.time
  s.claimed_at = s.time
  s.newest_tag, s.newest_prefix, s.swept, s.generation = 0, 0, 0, 0
  write_head(s)
  call('UNLINK', s.stream)
  local payload = epoch .. record_of(s, CLAIMED, '\0\0\0\0')
  call('XADD', s.stream, integer(s.revision) .. '-1', 'e', payload)
  call('SPUBLISH', s.stream, payload)
  local root = s.root
  call('UNLINK', root .. 'n', root .. 'p', root .. 'f0', root .. 'f1', root .. 'l', root .. 'q0', root .. 'q1')
  shards[head_key] = s
  return { s.bytes, 1 }
end
