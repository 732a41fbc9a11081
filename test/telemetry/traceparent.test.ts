import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { formatTraceparent, maybeSampled, parseTraceparent } from "../../src/telemetry/traceparent.ts";

const traceId = "0af7651916cd43dd8448eb211c80319c";
const spanId = "b7ad6b7169203331";

const hex = (digits: number) =>
  fc.stringMatching(new RegExp(`^[0-9a-f]{${digits}}$`)).filter((text) => !/^0+$/.test(text));

describe("parseTraceparent()", () => {
  it("reads what formatTraceparent() writes", () => {
    fc.assert(
      fc.property(hex(32), hex(16), (trace, span) => {
        const context = { traceId: trace, spanId: span, traceFlags: 1 };
        expect(parseTraceparent(formatTraceparent(context))).toEqual({ ...context, isRemote: true });
      }),
    );
  });

  it("keeps only the sampled flag", () => {
    expect(parseTraceparent(`00-${traceId}-${spanId}-03`)?.traceFlags).toBe(1);
    expect(parseTraceparent(`00-${traceId}-${spanId}-02`)?.traceFlags).toBe(0);
  });

  it("reads a later version, with fields after the flags", () => {
    expect(parseTraceparent(`cc-${traceId}-${spanId}-01`)?.traceId).toBe(traceId);
    expect(parseTraceparent(`cc-${traceId}-${spanId}-01-what-comes-next`)?.spanId).toBe(spanId);
  });

  it.each([
    ["empty", ""],
    ["version ff", `ff-${traceId}-${spanId}-01`],
    ["version 00 with more fields", `00-${traceId}-${spanId}-01-x`],
    ["a later version without a separator after the flags", `cc-${traceId}-${spanId}-01x`],
    ["a zero trace id", `00-${"0".repeat(32)}-${spanId}-01`],
    ["a zero span id", `00-${traceId}-${"0".repeat(16)}-01`],
    ["upper case", `00-${traceId.toUpperCase()}-${spanId}-01`],
    ["a short trace id", `00-${traceId.slice(1)}-${spanId}-01`],
    ["a newline at the end", `00-${traceId}-${spanId}-0\n`],
    ["flags that are not hex", `00-${traceId}-${spanId}-0g`],
  ])("refuses %s", (_name, header) => {
    expect(parseTraceparent(header)).toBeUndefined();
  });

  it("accepts any text without throwing, and returns only parts of it", () => {
    fc.assert(
      fc.property(fc.string({ maxLength: 80 }), (header) => {
        const parsed = parseTraceparent(header);
        if (parsed !== undefined) expect(header).toContain(parsed.traceId);
      }),
    );
  });
});

describe("maybeSampled()", () => {
  it("agrees with the sampled flag of every valid header", () => {
    fc.assert(
      fc.property(hex(32), hex(16), fc.integer({ min: 0, max: 255 }), (trace, span, flags) => {
        const header = `00-${trace}-${span}-${flags.toString(16).padStart(2, "0")}`;
        expect(maybeSampled(header)).toBe(parseTraceparent(header)?.traceFlags === 1);
      }),
    );
  });

  it("is false for a header that is too short", () => {
    expect(maybeSampled("")).toBe(false);
    expect(maybeSampled(`00-${traceId}-${spanId}-1`)).toBe(false);
  });
});

describe("formatTraceparent()", () => {
  it("is empty when the context is not sampled", () => {
    expect(formatTraceparent({ traceId, spanId, traceFlags: 0 })).toBe("");
  });
});
