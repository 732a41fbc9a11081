-- The operations. Each gets its shard and the operation, and answers with a status, the revision that it is as of, and the rest.
local ALWAYS, IF_ABSENT, IF_PRESENT, IF_VERSION, LEASE = 0, 1, 2, 3, 4
local STORED, EXISTS, ABSENT_YET, VERSION_MISMATCH, LEASE_LOST, OLDER_SOURCE = 0, 1, 2, 3, 4, 5
local NOT_A_COUNTER, OVERFLOW = 4, 5
local NO_STATE = 255
-- To a retry: its first attempt may have run before the shard began again, and with it the request id is gone.
local BEGUN_AGAIN = 255
local META_ONLY, STALE_TOO = 1, 2

local function answer(s, status, rest)
  return pack('>BI6', status, s.revision) .. (rest or '')
end

local function entry_bytes(e)
  return e.is_whole and e.raw or call('GET', e.key)
end

local function get(s, op)
  local flags = byte(op.bytes, op.at)
  local e, state = find_entry(s, op)
  if state == GONE or (state ~= FRESH and not has_flag(flags, STALE_TOO)) then return answer(s, 0) end
  if not has_flag(flags, META_ONLY) then return answer(s, 1, pack('>B', state) .. entry_bytes(e)) end
  local bytes = e.is_whole and #e.raw or call('STRLEN', e.key)
  return answer(s, 1, pack('>BI4', state, bytes - e.meta) .. sub(e.raw, 1, e.meta))
end

local function is_epoch(s, epoch)
  return epoch == NONE or epoch == s.epoch
end

local function known_source(s, op, e, state)
  local known = tombstone(s, op.name)
  if e and (state ~= GONE or s.now < e.ended_at + KEEP_MS) and is_less(known, e.source) then return e.source end
  return known
end

local function tags_of_set(op, c)
  local _, _, at = parse('>Bc0Bc0', op.bytes, c.at)
  return texts_from(op.bytes, at, c.at + c.tail_bytes - 1)
end

-- Why a Set may not store; nil when it may. `lease`: that of the key, if the token is good.
local function refusal(s, op, c, e, state, lease)
  local kind = c.condition
  if kind == IF_ABSENT and state == FRESH then return EXISTS end
  if kind == IF_PRESENT and state ~= FRESH then return ABSENT_YET end
  if kind == IF_VERSION then
    local is_valid = state == FRESH or state == PAST_TTL
    if not is_valid or pack('>I8', e.version) ~= c.operand or not is_epoch(s, c.epoch) then return VERSION_MISMATCH end
  end
  if kind == LEASE then
    if not lease or is_fenced_since(s, op.namespace, op.key, tags_of_set(op, c), lease.issued) then return LEASE_LOST end
  end
  if c.source ~= NONE and is_less(c.source, known_source(s, op, e, state)) then return OLDER_SOURCE end
  return nil
end

-- Announces a new entry of the key and stores it in the place of `former`.
local function store(s, op, former, new)
  if new.source ~= NONE or (former and former.source ~= NONE) then expect_tombstones(s) end
  announce(s, 0, op, sized(op.key))
  put_entry(s, op, former, new)
  end_lease(s, op.name)
end

local function set_once(s, op, c)
  local e, state = find_entry(s, op)
  local lease = c.condition == LEASE and read_lease(s, op) or nil
  if lease and lease.token ~= c.operand then lease = nil end
  local reason = refusal(s, op, c, e, state, lease)
  if reason then
    -- A lease ends with its Set, stored or not.
    if lease and end_lease(s, op.name) then tell_lease_ended(s, op) end
    return answer(s, reason)
  end
  local fresh_until, gone_at = lifetimes(s, c.ttl, c.stale)
  store(s, op, e, {
    flags = c.flags, source = c.source, fresh_until = fresh_until, gone_at = gone_at,
    tail = sub(op.bytes, c.at, c.at + c.tail_bytes - 1), value = sub(op.bytes, c.at + c.tail_bytes),
  })
  return answer(s, STORED, pack('>I6', s.revision))
end

local function set(s, op)
  local condition, operand, epoch, id, source, ttl, stale, flags, tail_bytes, at = parse('>Bc8c8c8c8I6I6BI3', op.bytes, op.at)
  local c = {
    condition = condition, operand = operand, epoch = epoch, source = source, ttl = ttl, stale = stale, flags = flags,
    tail_bytes = tail_bytes, at = at,
  }
  if condition ~= IF_VERSION and not is_epoch(s, epoch) then return answer(s, BEGUN_AGAIN) end
  return once(s, 's', id, op.name, function() return set_once(s, op, c) end)
end

local function touch(s, op)
  local ttl, stale = parse('>I6I6', op.bytes, op.at)
  local e, state = find_entry(s, op)
  if state ~= FRESH then return answer(s, 1) end
  announce(s, 3, op, sized(op.key))
  local fresh_until, gone_at = lifetimes(s, ttl, stale)
  call('SETRANGE', e.key, '16', pack('>I6I6', fresh_until, gone_at))
  local ends_at = gone_at == 0 and s.now + ENDLESS_MS or gone_at
  if e.source ~= NONE then ends_at = ends_at + KEEP_MS end
  call('PEXPIREAT', e.key, integer(ends_at))
  return answer(s, 0)
end

local function counter_in(e)
  if has_flag(e.flags, ABSENT) then return nil end
  local _, encoding = parse('>Bc0Bc0', e.raw, e.tail)
  if encoding ~= '' then return nil end
  if e.is_whole then return parse_counter(sub(e.raw, e.meta + 1)) end
  return parse_counter(call('GETRANGE', e.key, integer(e.meta), integer(e.meta + 20)))
end

local function increment_refusal(s, c, fresh)
  local kind = c.condition
  if kind == IF_ABSENT and fresh then return EXISTS end
  if kind == IF_PRESENT and not fresh then return ABSENT_YET end
  if kind ~= IF_VERSION then return nil end
  local is_it = fresh and pack('>I8', fresh.version) == c.operand and is_epoch(s, c.epoch)
  return not is_it and VERSION_MISMATCH or nil
end

local function increment_once(s, op, c)
  local e, state = find_entry(s, op)
  local fresh = state == FRESH and e or nil
  local reason = increment_refusal(s, c, fresh)
  if reason then return answer(s, reason) end
  local high, low
  if fresh then high, low = counter_in(fresh) else high, low = parse_counter(c.initial) end
  if not high then return answer(s, NOT_A_COUNTER) end
  local value = add_counters(high, low, parse_counter(c.delta))
  if not value then return answer(s, OVERFLOW) end
  local new = { flags = 0, source = NONE, tail = '\0\0', value = value, fresh_until = 0, gone_at = 0 }
  if fresh then
    new.source, new.fresh_until, new.gone_at = fresh.source, fresh.fresh_until, fresh.gone_at
    new.flags = has_flag(fresh.flags, HAS_TAGS) and HAS_TAGS or 0
    new.tail = sub(fresh.raw, fresh.tail, fresh.meta)
  else
    new.fresh_until, new.gone_at = lifetimes(s, c.ttl, c.stale)
  end
  store(s, op, e, new)
  return answer(s, 0, pack('>I6I6B', s.revision, new.fresh_until, fresh and 0 or 1) .. value)
end

local function increment(s, op)
  local condition, operand, epoch, id, ttl, stale, delta, initial = parse('>Bc8c8c8I6I6Bc0Bc0', op.bytes, op.at)
  local c = {
    condition = condition, operand = operand, epoch = epoch, ttl = ttl, stale = stale, delta = delta, initial = initial,
  }
  if condition ~= IF_VERSION and not is_epoch(s, epoch) then return answer(s, BEGUN_AGAIN) end
  return once(s, 'i', id, op.name, function() return increment_once(s, op, c) end)
end

local function lease(s, op)
  local lease_ms, token = parse('>I6c8', op.bytes, op.at)
  local e, state = find_entry(s, op)
  if state == FRESH then return answer(s, 1, pack('>B', state) .. entry_bytes(e)) end
  local rest = state == GONE and pack('>B', NO_STATE) or pack('>B', state) .. entry_bytes(e)
  local held = read_lease(s, op)
  if held then return answer(s, 3, pack('>I6', held.expires - s.now) .. rest) end
  if not grant_lease(s, op.name, token, lease_ms) then return answer(s, 3, pack('>I6', REFUSED_RETRY_MS) .. rest) end
  return answer(s, 2, pack('>I6', lease_ms) .. rest)
end

local function release(s, op)
  local held = read_lease(s, op)
  if not held or held.token ~= sub(op.bytes, op.at, op.at + 7) then return answer(s, 1) end
  end_lease(s, op.name)
  tell_lease_ended(s, op)
  return answer(s, 0)
end
