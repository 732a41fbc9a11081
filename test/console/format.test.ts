/** What people read: numbers, values, links to traces. */
import { describe, expect, it } from "vitest";
import { toCounter, toDelta } from "../../src/console/format/counter.ts";
import { orNothing, toLatency, toPercent, toRate, toShort } from "../../src/console/format/numbers.ts";
import { toTraceLink } from "../../src/console/format/trace-link.ts";
import { formsOf, SHOWN_MAX_BYTES, showValue } from "../../src/console/format/value.ts";

const bytes = (text: string) => new TextEncoder().encode(text);

describe("numbers", () => {
  it.each([
    [0, "0"],
    [0.25, "0.25"],
    [99.96, "100.0"],
    [1_234, "1,234"],
    [9_999.4, "9,999"],
    [12_345, "12.3 k"],
    [123_456, "123 k"],
    [1_234_567, "1.23 M"],
    [2.5e9, "2.50 G"],
  ])("shows %d as %s", (value, text) => {
    expect(toShort(value)).toBe(text);
    expect(toRate(value)).toBe(`${text}/s`);
  });

  it.each([
    [0, "0 µs"],
    [0.000_012_3, "12.3 µs"],
    [0.004, "4.00 ms"],
    [0.25, "250 ms"],
    [2.5, "2.50 s"],
  ])("shows a time of %d s as %s", (seconds, text) => {
    expect(toLatency(seconds)).toBe(text);
  });

  it("shows what is not known as a dash", () => {
    expect([undefined, null, Number.NaN].map((value) => orNothing(value, toPercent))).toEqual([
      "–",
      "–",
      "–",
    ]);
    expect(orNothing(0.5, toPercent)).toBe("50.0 %");
  });
});

describe("showValue()", () => {
  it("takes objects and lists for JSON, and numbers for text: they could lose digits", () => {
    expect(formsOf(bytes('{"a":1}'))).toEqual(["json", "text", "hex"]);
    expect(formsOf(bytes("12345678901234567890"))).toEqual(["text", "hex"]);
    expect(formsOf(bytes("{a"))).toEqual(["text", "hex"]);
    expect(formsOf(Uint8Array.of(0xff, 0))).toEqual(["hex"]);
    expect(formsOf(new Uint8Array())).toEqual(["text", "hex"]);
  });

  it("indents JSON", () => {
    expect(showValue(bytes('{"a":[1]}'), "json")).toBe('{\n  "a": [\n    1\n  ]\n}');
  });

  it("escapes what would reorder or hide text", () => {
    expect(showValue(bytes("a\u202eb\u0007\n"), "text")).toBe("a\\u{202e}b\\u{7}\n");
  });

  it("shows rows of sixteen bytes", () => {
    expect(showValue(bytes("meshcache \u0000 is here"), "hex").split("\n")).toEqual([
      "000000  6d 65 73 68 63 61 63 68  65 20 00 20 69 73 20 68  meshcache . is h",
      `000010  65 72 65${" ".repeat(42)}ere`,
    ]);
  });

  it("cuts what is long", () => {
    const long = new Uint8Array(SHOWN_MAX_BYTES + 100).fill(0x61);
    expect(showValue(long, "text")).toHaveLength(SHOWN_MAX_BYTES);
    expect(showValue(long, "hex").split("\n")).toHaveLength(SHOWN_MAX_BYTES / 16);
  });
});

describe("toTraceLink()", () => {
  const traceparent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

  it("puts the ids into the template", () => {
    expect(toTraceLink("https://t.example/trace/{traceId}?span={spanId}", traceparent)).toBe(
      "https://t.example/trace/4bf92f3577b34da6a3ce929d0e0e4736?span=00f067aa0ba902b7",
    );
  });

  it.each([
    ["without a template", "", traceparent],
    ["without a trace", "https://t.example/{traceId}", ""],
    ["of a trace that is none", "https://t.example/{traceId}", '00-x"onclick-y-01'],
    ["to a script", "javascript:alert('{traceId}')", traceparent],
  ])("makes no link %s", (_, template, parent) => {
    expect(toTraceLink(template, parent)).toBeUndefined();
  });
});

describe("counters", () => {
  it.each(["0", "42", "-1", "9223372036854775807", "-9223372036854775808"])("sees that %s is one", (text) => {
    expect(toCounter(bytes(text))).toBe(BigInt(text));
  });

  it.each(["", "-", "-0", "007", "+1", "1.5", "1e3", " 1", "1\n", "9223372036854775808", "1".repeat(40)])(
    "sees that %j is none",
    (text) => {
      expect(toCounter(bytes(text))).toBeUndefined();
    },
  );

  it.each([
    ["1", 1n],
    [" +7 ", 7n],
    ["-9223372036854775808", -(2n ** 63n)],
    ["9223372036854775808", undefined],
    ["1.5", undefined],
    ["", undefined],
    ["0x10", undefined],
  ])("takes %j as %s to add", (text, delta) => {
    expect(toDelta(text)).toBe(delta);
  });
});
