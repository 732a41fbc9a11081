import { describe, expect, it } from "vitest";
import { parseBytes, parseCount, parseDurationMs } from "../../../src/cli/settings/quantity.ts";

describe("parseBytes(), parseDurationMs(), parseCount()", () => {
  it.each([
    ["512", 512],
    ["512B", 512],
    ["64KiB", 65_536],
    ["1.5 MiB", 1_572_864],
    ["2GiB", 2_147_483_648],
    ["1_048_576", 1_048_576],
  ])("takes %s bytes", (text, bytes) => expect(parseBytes(text)).toBe(bytes));

  it.each([
    ["250", 250],
    ["250ms", 250],
    ["1.5s", 1_500],
    ["5min", 300_000],
    ["10m", 600_000],
    ["7d", 604_800_000],
    ["0", 0],
  ])("takes %s as a time", (text, ms) => expect(parseDurationMs(text)).toBe(ms));

  it.each(["", "-1", "1e3", "0x10", "ten", "1.3", "1KB", "1 s s", "99999999999999999999", "NaN", "1M"])(
    "refuses %j",
    (text) => {
      expect([parseBytes(text), parseDurationMs(text), parseCount(text)]).toEqual([
        undefined,
        undefined,
        undefined,
      ]);
    },
  );
});
