-- Counters are int64 as decimal text, which a number of Lua does not hold: a number is a sign and two halves of ten digits.
local HALF = 10000000000
local INT64_HIGH, INT64_LOW = 922337203, 6854775807

-- Nil: it is no counter in its shortest form, or no int64.
local function parse_counter(text)
  local sign, digits = string.match(text, '^(%-?)(%d+)$')
  if not digits or #digits > 19 then return nil end
  if byte(digits) == 48 and (#digits > 1 or sign == '-') then return nil end
  local high = tonumber(sub(digits, 1, -11)) or 0
  local low = tonumber(sub(digits, -10))
  local negative = sign == '-'
  if high > INT64_HIGH or (high == INT64_HIGH and low > INT64_LOW + (negative and 1 or 0)) then return nil end
  if negative then return 0 - high, 0 - low end
  return high, low
end

-- Nil: the sum is no int64.
local function add_counters(high, low, more_high, more_low)
  high, low = high + more_high, low + more_low
  -- Both halves get one sign.
  if low >= HALF then high, low = high + 1, low - HALF end
  if low <= -HALF then high, low = high - 1, low + HALF end
  if high > 0 and low < 0 then high, low = high - 1, low + HALF end
  if high < 0 and low > 0 then high, low = high + 1, low - HALF end
  local negative = high < 0 or low < 0
  -- -0 would be written with its sign.
  if negative then high, low = 0 - high, 0 - low end
  if high > INT64_HIGH or (high == INT64_HIGH and low > INT64_LOW + (negative and 1 or 0)) then return nil end
  local text = high > 0 and integer(high) .. format('%010.0f', low) or integer(low)
  return negative and '-' .. text or text
end
