/** The library with a clock that a test moves, for an engine of a test. What servers load has no such function. */
import { joinLibrary, type LibraryPart } from "../../../src/tier/library/source.ts";
import type { RespConnection } from "./resp-connection.ts";

const MANUAL_TIME = `
local manual_ms = 0

local function engine_ms()
  return manual_ms
end

redis.register_function({
  function_name = 'mc_test_time',
  callback = function(_, args)
    manual_ms = tonumber(args[1])
    return 'OK'
  end,
  flags = { 'no-writes' },
})
`;

/** Longer than any test. */
const PAUSE_LIMIT_MS = 1e15;

export function manualLibrary(change: (text: string, part: LibraryPart) => string = (text) => text): string {
  return joinLibrary((text, part) => (part === "time" ? MANUAL_TIME : change(text, part)));
}

export async function loadLibrary(connection: RespConnection, library: string): Promise<void> {
  await connection.call("FUNCTION", "LOAD", "REPLACE", library);
}

export async function setTime(connection: RespConnection, nowMs: number): Promise<void> {
  await connection.call("FCALL", "mc_test_time", 0, nowMs);
}

/** Says that this node is primary, and how long it may run no function. */
export async function verify(connection: RespConnection, pauseLimitMs = PAUSE_LIMIT_MS): Promise<void> {
  const beat = await connection.call("FCALL", "mc_beat", 0);
  const pause = Array.isArray(beat) ? Number(beat[2]) : Number.NaN;
  await connection.call("FCALL", "mc_verify", 0, pause, pauseLimitMs);
}
