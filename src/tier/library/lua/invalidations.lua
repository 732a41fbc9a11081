-- Invalidations, and the sweep that frees what they cover.
local function invalidated(soft)
  return soft and 2 or 1
end

-- One key of those of the operation. True: there was something to invalidate.
local function stale_key(s, op)
  local e, state = find_entry(s, op)
  if state == GONE then return false end
  mark_staled(e)
  return state == FRESH
end

local function remove_key(s, op, source)
  local e, state = find_entry(s, op)
  if e and state == GONE then
    remove_entry(s, op.name, e)
    e = nil
  end
  add_tombstone(s, op.name, source, s.now)
  if not e or (source ~= NONE and not is_less(e.source, source)) then return false end
  remove_entry(s, op.name, e)
  return true
end

local function invalidate_keys(s, op)
  local soft, source, at = parse('>Bc8', op.bytes, op.at)
  soft = soft == 1
  if not soft then expect_tombstones(s) end
  announce(s, invalidated(soft), op, sub(op.bytes, at))
  local removed = 0
  for _, key in ipairs(texts_from(op.bytes, at, #op.bytes)) do
    local one = { namespace = op.namespace, key = key, name = op.namespace .. '\0' .. key }
    local is_changed
    if soft then is_changed = stale_key(s, one) else is_changed = remove_key(s, one, source) end
    if is_changed then removed = removed + 1 end
    end_lease(s, one.name)
  end
  return answer(s, 0, pack('>I4', removed))
end

local function invalidate_tags(s, op)
  local soft = byte(op.bytes, op.at) == 1
  s.newest_tag = s.revision + 1
  local is_new_generation = begin_tags(s)
  announce(s, invalidated(soft) + 4, op, sub(op.bytes, op.at + 1))
  if is_new_generation then call('UNLINK', tag_key(s, s.generation)) end
  raise_tags(s, op.namespace, texts_from(op.bytes, op.at + 1, #op.bytes), soft)
  return answer(s, 0, '\0\0\0\0')
end

local function invalidate_prefix(s, op)
  local soft, target, prefix = parse('>BBHc0', op.bytes, op.at)
  soft = soft == 1
  s.newest_prefix = s.revision + 1
  announce(s, invalidated(soft) + 4 * target, op, sized(prefix))
  raise_prefix(s, op.namespace, prefix, soft)
  return answer(s, 0, '\0\0\0\0')
end

-- Frees those of the named entries that are gone, and marks those that a soft fence covers.
local function sweep(s, op)
  local removed, marked = 0, 0
  for _, name in ipairs(texts_from(op.bytes, op.at, #op.bytes)) do
    local namespace, key = string.match(name, '^([^%z]*)%z(.*)$')
    local one = { namespace = namespace, key = key, name = name }
    local e, state = find_entry(s, one)
    if e and state == GONE then
      if e.source ~= NONE and s.tombs_until < s.now + KEEP_MS then
        expect_tombstones(s)
        s.is_changed = true
      end
      remove_entry(s, name, e)
      removed = removed + 1
    elseif state == SOFTLY_GONE and not has_flag(e.flags, STALED) then
      mark_staled(e)
      marked = marked + 1
    end
  end
  return answer(s, 0, pack('>HH', removed, marked))
end

-- Every entry from before this revision went through a sweep: no fence up to it covers an entry any more.
local function swept(s, op)
  local epoch, revision = parse('>c8I6', op.bytes, op.at)
  if epoch ~= s.epoch or revision > s.revision then return answer(s, 1) end
  if revision > s.swept then s.swept = revision end
  if s.newest_tag <= revision then s.newest_tag = 0 end
  if s.newest_prefix <= revision then s.newest_prefix = 0 end
  s.is_changed = true
  return answer(s, 0)
end
