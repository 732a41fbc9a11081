-- Tombstones and request ids: two hashes of a minute each, used in turns. What is written is found for at least a minute,
-- unless more is written than a hash may have: then the older hash goes early. The field '' has the minute.
local BUCKET_MAX = 4096
local KEEP_MS = 60000
-- Before the minute: with a text of more than 64 bytes a hash is a table from its first field on. Until then, or up to 512 fields, the
-- engine looks for each field from the first one on.
local TABLE_PADDING = '0000000000000000000000000000000000000000000000000000000000000000'

-- Of this minute and the one before, as this process knows them: nobody else writes to them.
local function bucket_of(s, kind)
  local minute = floor(s.now / 60000)
  local b = s.buckets[kind]
  if b and b.minute == minute then return b, b.own, b.other end
  local own, other = s.root .. kind .. minute % 2, s.root .. kind .. (1 - minute % 2)
  if not b then
    local is_own = tonumber(call('HGET', own, '') or -1) == minute
    b = {
      minute = minute,
      count = is_own and call('HLEN', own) - 1 or 0,
      has_other = tonumber(call('HGET', other, '') or -1) >= minute - 1,
    }
    s.buckets[kind] = b
  else
    b.has_other = b.minute == minute - 1 and b.count > 0
    b.minute, b.count = minute, 0
  end
  b.own, b.other = own, other
  return b, own, other
end

local function bucket_read(s, kind, field)
  local b, own, other = bucket_of(s, kind)
  return b.count > 0 and call('HGET', own, field) or b.has_other and call('HGET', other, field) or nil
end

local function bucket_write(s, kind, field, value)
  local b, own, other = bucket_of(s, kind)
  if b.count >= BUCKET_MAX then
    call('RENAME', own, other)
    b.has_other, b.count = true, 0
  elseif b.count == 0 then
    call('UNLINK', own)
  end
  b.count = b.count + 1
  if b.count > 1 then call('HSET', own, field, value) else call('HSET', own, '', TABLE_PADDING .. integer(b.minute), field, value) end
end

-- The greatest source version that is known of a key without an entry, and until when.
local function tombstone(s, name)
  if s.now >= s.tombs_until then return NONE, 0 end
  local value = bucket_read(s, 't', name)
  if not value then return NONE, 0 end
  local source, til = parse('>c8I6', value)
  if s.now >= til then return NONE, 0 end
  return source, til
end

-- Before the head is written: tombstones of this call are to be found.
local function expect_tombstones(s)
  local til = s.now + KEEP_MS
  if til > s.tombs_until then s.tombs_until = til end
end

local function add_tombstone(s, name, source, ended_at)
  local til = ended_at + KEEP_MS
  if source == NONE or til <= s.now then return end
  local known, known_until = tombstone(s, name)
  if is_less(source, known) then source = known end
  if til < known_until then til = known_until end
  bucket_write(s, 't', name, pack('>c8I6', source, til))
end

local function remove_tombstone(s, name)
  if s.now >= s.tombs_until then return end
  call('HDEL', s.root .. 't0', name)
  call('HDEL', s.root .. 't1', name)
end

-- The answer of the first call with this request id, or what `run` answers, which is kept.
local function once(s, kind, id, name, run)
  if id == NONE then return run() end
  local field = kind .. id .. name
  local kept = bucket_read(s, 'q', field)
  if kept and s.now < parse('>I6', kept) + KEEP_MS then return sub(kept, 7) end
  local answer = run()
  bucket_write(s, 'q', field, pack('>I6', s.now) .. answer)
  return answer
end
