-- What servers call. The first key is the head of the shard, the second its stream; the others are declared for the engine alone.
local OPERATIONS_MAX = 128

local READS = { [1] = get, [10] = inspect }
-- What they add to is bounded by the library.
local FREES = {
  [1] = get, [6] = release, [7] = invalidate_keys, [8] = invalidate_tags, [9] = invalidate_prefix, [10] = inspect,
  [11] = sweep, [12] = swept,
}
local WRITES = {
  [1] = get, [2] = set, [3] = touch, [4] = increment, [5] = lease, [6] = release, [7] = invalidate_keys,
  [8] = invalidate_tags, [9] = invalidate_prefix, [10] = inspect, [11] = sweep, [12] = swept,
}

-- Of one operation: the keys or tags to invalidate, the entries to sweep. Where they begin, behind what all operations have.
local NAMES_MAX = { [7] = 1024, [8] = 4096, [11] = 64 }
local NAMES_AT = { [7] = 9, [8] = 1, [11] = 0 }

local function has_too_many(code, bytes, at)
  local most = NAMES_MAX[code]
  if not most then return false end
  at = at + NAMES_AT[code]
  for _ = 1, most do
    if at > #bytes then return false end
    at = at + 2 + parse('>H', bytes, at)
  end
  return at <= #bytes
end

-- Nil: the bytes are no operation.
local function parse_operation(bytes, operations)
  local run = operations[byte(bytes)]
  if not run then return nil end
  local _, namespace, origin, trace, key, at = parse('>BBc0Hc0Bc0Hc0', bytes)
  return {
    bytes = bytes, run = run, namespace = namespace, key = key, at = at, name = namespace .. '\0' .. key,
    -- Up to there, from the second byte on, it says what a record says of the namespace and the writer.
    about_last = 5 + #namespace + #origin + #trace,
  }
end

local function run_all(s, ops)
  local answers = { '' }
  for i, op in ipairs(ops) do answers[i + 1] = op.run(s, op) end
  answers[1] = pack('>c8I6I6', s.epoch, s.now, s.revision)
  return answers
end

-- Without an operation it only says where the shard is, if this process may go on with it.
local function run(keys, args, operations)
  prepare()
  if #args - 1 > OPERATIONS_MAX then return redis.error_reply('LIMIT at most 128 operations a call') end
  local ops = {}
  for i = 2, #args do
    local op = parse_operation(args[i], operations)
    if not op then return redis.error_reply('CALL an operation is malformed') end
    if has_too_many(byte(args[i]), args[i], op.at) then return redis.error_reply('LIMIT an operation has too many names') end
    ops[i - 1] = op
  end
  local s, refused = enter(keys[1], args[1])
  if not s then return refused end
  local is_done, answers = pcall(run_all, s, ops)
  -- What is not announced makes the shard another writer's: by its claim all is announced.
  if not pcall(conclude, s) then s.lost = true end
  s.busy = not is_done
  if is_done and not s.lost then return answers end
  if s.lost then return redis.error_reply('TENURE a part of the shard is lost') end
  -- What redis.call throws is a table.
  return redis.error_reply('ERR ' .. tostring(type(answers) == 'table' and answers.err or answers))
end

redis.register_function('mc_run', function(keys, args) return run(keys, args, WRITES) end)

redis.register_function({
  function_name = 'mc_read',
  callback = function(keys, args) return run(keys, args, READS) end,
  flags = { 'no-writes' },
})

-- An engine without memory refuses what stores, and no invalidation.
redis.register_function({
  function_name = 'mc_free',
  callback = function(keys, args) return run(keys, args, FREES) end,
  flags = { 'allow-oom' },
})

redis.register_function({
  function_name = 'mc_claim',
  callback = function(keys, args) return claim(keys[1], args[1], args[2], args[3]) end,
  flags = { 'allow-oom' },
})

redis.register_function({
  function_name = 'mc_beat',
  callback = function() return beat(run_now()) end,
  flags = { 'no-writes' },
})

redis.register_function({
  function_name = 'mc_verify',
  callback = function(_, args)
    local now = run_now()
    forget_former_tenure()
    return verify(now, args[1], args[2])
  end,
  flags = { 'no-writes' },
})
