-- The engine's wall clock in milliseconds.
local function engine_ms()
  local time = call('TIME')
  return time[1] * 1000 + floor(time[2] / 1000)
end
