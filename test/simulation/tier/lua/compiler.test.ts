/** The compiler of Lua has the meaning of Lua where it differs from that of JavaScript. */
import { expect, it } from "vitest";
import { compileLua } from "./compiler.ts";
import { luaGlobals, tableOf } from "./runtime.ts";

function resultOf(lua: string): unknown {
  const results = tableOf([]);
  compileLua(lua)({ ...luaGlobals, results });
  return results.get("is");
}

it.each([
  ["0 and '' are true", "results.is = 0 and '' and 'yes' or 'no'", "yes"],
  ["the first of several values", "local function f() return 1, 2 end local a = f() results.is = a", 1],
  [
    "all of several values at the end",
    "local function f() return 1, 2 end local a, b, c = 0, f() results.is = b + c",
    3,
  ],
  ["an assignment of several at once", "local a, b = 1, 2 a, b = b, a results.is = a .. b", "21"],
  ["numbers in texts", "results.is = '2' * 3 + '1'", 7],
  ["a name that hides another", "local a = 1 local a = a + 1 do local a = 9 end results.is = a", 2],
  ["a name within a loop only", "local i = 5 for i = 1, 3 do end results.is = i", 5],
  ["the remainder of a negative number", "results.is = -1 % 3", 2],
  ["the length of a list", "local t = { 1, 2, 3 } t[#t + 1] = 4 results.is = #t", 4],
  [
    "a list that ends at nil",
    "local n = 0 for _, v in ipairs({ nil, 1 }) do n = n + v end results.is = n",
    0,
  ],
  ["a part that ends before the text begins", "results.is = string.sub('abc', 1, -5) .. 'd'", "d"],
  ["what an error was", "local _, e = pcall(function() error('no') end) results.is = e", "no"],
  [
    "structs with lengths",
    "local _, t, at = struct.unpack('>BHc0', struct.pack('>BH', 1, 2) .. 'ab') results.is = t .. at",
    "ab6",
  ],
])("%s", (_, lua, expected) => {
  expect(resultOf(lua)).toBe(expected);
});
