/** That JSON is told from what is none as JSON.parse tells it, with the place of the fault and the number of values. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { JSON_MAX_DEPTH, scanJson } from "../../src/gateway/json-scan.ts";

const scan = (text: string) => scanJson(new TextEncoder().encode(text));

describe("scanJson()", () => {
  it.each([
    ["null", 1],
    [' {"a": [1, -2.5e+3, "x\\u00e9\\n"], "b": {}} ', 6],
    ["[]", 1],
    ['"größe 😀"', 1],
    ["[[[0]]]", 4],
    ["0.1E-7", 1],
  ])("takes %s, and counts its values", (text, values) => {
    expect(scan(text)).toEqual({ faultAt: undefined, values });
  });

  it.each([
    ["", 0],
    ["{", 1],
    ['{"a"', 4],
    ['{"a":}', 5],
    ['{"a":1,}', 7],
    ["[1,]", 3],
    ["[1 2]", 3],
    ["01", 1],
    ["1.", 2],
    ["-", 1],
    ["1e", 2],
    ["tru", 3],
    ["nul0", 3],
    ['"\\x"', 2],
    ['"\\u12g4"', 5],
    ['"a\nb"', 2],
    ['"a', 2],
    ["null null", 5],
    ["{a:1}", 1],
    ["'a'", 0],
  ])("finds where %s breaks off", (text, faultAt) => {
    expect(scan(text).faultAt).toBe(faultAt);
  });

  it.each([
    [[0x22, 0xff, 0x22]],
    [[0x22, 0xc0, 0x80, 0x22]],
    [[0x22, 0xed, 0xa0, 0x80, 0x22]],
    [[0x22, 0xe2, 0x82]],
  ])("takes no bytes that are no UTF-8: %j", (bytes) => {
    expect(scanJson(Uint8Array.from(bytes)).faultAt).toBe(1);
  });

  it("takes no text that is deeper than its bound", () => {
    const nested = (depth: number) => "[".repeat(depth) + "]".repeat(depth);
    expect(scan(nested(JSON_MAX_DEPTH)).faultAt).toBeUndefined();
    expect(scan(nested(JSON_MAX_DEPTH + 1)).faultAt).toBe(JSON_MAX_DEPTH);
  });

  it("takes all that JSON.stringify writes", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(3), (value, spaces) => {
        expect(scan(JSON.stringify(value, undefined, spaces)).faultAt).toBeUndefined();
      }),
    );
  });

  it("agrees with JSON.parse about texts with a character changed", () => {
    const character = fc.constantFrom(...'{}[],:"\\0123456789.eE+-truefalsn \n\tx');
    fc.assert(
      fc.property(fc.jsonValue(), fc.nat(), character, fc.boolean(), (value, at, put, inserts) => {
        const text = JSON.stringify(value);
        const place = at % (text.length + 1);
        const changed = text.slice(0, place) + put + text.slice(place + (inserts ? 0 : 1));
        expect(scan(changed).faultAt === undefined).toBe(isJson(changed));
      }),
      { numRuns: 3_000 },
    );
  });
});

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}
