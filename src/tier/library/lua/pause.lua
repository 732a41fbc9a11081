-- Suspicion: a process that ran no function for longer than the limit may have been stopped, and another node may be primary
-- since. It answers nothing until a server has asked the other nodes. The number of a pause tells an answer that was asked for
-- before the latest pause from one asked for after it.
local pause = { suspect = true, limit = 500 }

local function run_now()
  prepare()
  local now = engine_ms()
  local last = pause.last
  if not last then
    pause.number = now
  elseif now - last > pause.limit or now < last then
    pause.suspect = true
    pause.number = pause.number + 1
  end
  pause.last = now
  return now
end

local function suspect_error()
  return redis.error_reply('SUSPECT ' .. integer(pause.number))
end

local function beat(now)
  return { VERSION, now, pause.number, pause.suspect and 1 or 0 }
end

local function verify(now, number, limit)
  if tonumber(number) == pause.number then pause.suspect = false end
  if tonumber(limit) > 0 then pause.limit = tonumber(limit) end
  return beat(now)
end
