-- What is known of a key: its entry, also one that is gone, and the fences that concern it.
local TAG, PREFIX, NAMESPACE = 0, 1, 2

local function inspect(s, op)
  local e, state = find_entry(s, op)
  local version = e and e.version or 0
  local tags = e and tags_of(e) or NO_TAGS
  local views = {}
  local function view(kind, soft, revision, name)
    if revision == 0 then return end
    local covers = version < revision
    views[#views + 1] = pack('>BBBI6', kind, soft and 1 or 0, covers and 1 or 0, revision) .. sized(name)
  end
  local one, other = records_about(s, op.namespace, version)
  for _, r in ipairs({ one, other }) do
    view(NAMESPACE, false, r.clear_hard, '')
    view(NAMESPACE, true, r.clear_soft, '')
    if #tags > 0 then
      view(TAG, false, r.floor_hard, '')
      view(TAG, true, r.floor_soft, '')
    end
  end
  for _, fence in ipairs(one and one.prefixes > 0 and read_prefixes(s, op.namespace) or {}) do
    if begins_with(op.key, fence.prefix) then view(PREFIX, fence.soft, fence.revision, fence.prefix) end
  end
  if one and #tags > 0 then
    for i, fence in pairs(tag_fences(s, op.namespace, tags)) do
      view(TAG, false, fence.hard, tags[i])
      view(TAG, true, fence.soft, tags[i])
    end
  end
  local rest = pack('>H', #views) .. concat(views)
  if not e then return answer(s, 0, rest) end
  return answer(s, 1, rest .. pack('>B', state) .. entry_bytes(e))
end
