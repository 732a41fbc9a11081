-- Leases: token, revision at issue, and expiry by namespace and key. Invalidations of prefixes and namespaces end them when they
-- are looked at: the revision at issue is compared with the fences.
local LEASES_MAX = 16384
local REFUSED_RETRY_MS = 100

-- Asked of the engine once: nobody else grants any.
local function has_leases(s)
  if s.has_leases == nil then s.has_leases = call('EXISTS', s.root .. 'l') == 1 end
  return s.has_leases
end

-- The lease that holds, or nil.
local function read_lease(s, op)
  local bytes = has_leases(s) and call('HGET', s.root .. 'l', op.name)
  if not bytes then return nil end
  local token, issued, expires = parse('>c8I6I6', bytes)
  if s.now >= expires or is_fenced_since(s, op.namespace, op.key, NO_TAGS, issued) then return nil end
  return { token = token, issued = issued, expires = expires }
end

local function end_lease(s, name)
  if not has_leases(s) or call('HDEL', s.root .. 'l', name) == 0 then return false end
  s.has_leases = nil
  return true
end

-- Removes those of `most` leases that have expired: nobody else does when nobody asks for their keys.
local function purge_leases(s, most)
  local key = s.root .. 'l'
  local some = call('HRANDFIELD', key, integer(most), 'WITHVALUES')
  for i = 1, #some, 2 do
    local _, _, expires = parse('>c8I6I6', some[i + 1])
    if s.now >= expires then call('HDEL', key, some[i]) end
  end
end

-- False: there is no room.
local function grant_lease(s, name, token, lease_ms)
  local key = s.root .. 'l'
  local count = call('HLEN', key)
  if count > 0 then purge_leases(s, count < LEASES_MAX and 2 or 32) end
  if count >= LEASES_MAX and call('HLEN', key) >= LEASES_MAX then return false end
  call('HSET', key, name, pack('>c8I6I6', token, s.revision, s.now + lease_ms))
  s.has_leases = true
  return true
end
