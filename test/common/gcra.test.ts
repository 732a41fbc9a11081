/** The rate limiter: its burst, its average rate and its bounded debt. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { Gcra } from "../../src/common/gcra.ts";

const createGcra = () => new Gcra({ intervalMicros: 200, burst: 4 });

/** The calls that are within the rate. Only these are counted. */
function send(gcra: Gcra, callsAtMicros: readonly number[]): number[] {
  return callsAtMicros.filter((nowMicros) => {
    const allowed = gcra.allows(nowMicros);
    if (allowed) gcra.count(nowMicros);
    return allowed;
  });
}

describe("Gcra", () => {
  it("allows a burst of four, and then one more for each interval of 200 µs that passed", () => {
    const gcra = createGcra();
    const start = 1e9;
    expect(send(gcra, Array(10).fill(start))).toHaveLength(4);
    expect(send(gcra, [start + 199, start + 200, start + 201])).toEqual([start + 200]);
    expect(send(gcra, Array(10).fill(start + 10_000))).toHaveLength(4);
  });

  it("allows one event an interval after the last, however many were counted without being allowed", () => {
    const gcra = createGcra();
    for (let one = 0; one <= 10_000; one += 1) gcra.count(1e9 + one * 60);
    const nowMicros = 1e9 + 600_000;
    expect(gcra.allows(nowMicros)).toBe(false);
    expect(send(gcra, [nowMicros + 200])).toHaveLength(1);
    expect(send(gcra, Array(10).fill(nowMicros + 10_000))).toHaveLength(4);
  });

  it("refuses for at most an interval after an event, and in any time allows no more than its intervals and one burst", () => {
    fc.assert(
      fc.property(
        fc.array(fc.integer({ min: 0, max: 500 }), { minLength: 1, maxLength: 300 }),
        (gapsMicros) => {
          let nowMicros = 1e9;
          const calls = gapsMicros.map((gap) => (nowMicros += gap));
          const sent = send(createGcra(), calls);
          for (const [at, first] of sent.entries()) {
            for (const [further, last] of sent.slice(at).entries()) {
              expect(further + 1).toBeLessThanOrEqual((last - first) / 200 + 5);
            }
          }
          let lastSent = Number.NEGATIVE_INFINITY;
          for (const call of calls) {
            if (sent.includes(call)) lastSent = call;
            else expect(call - lastSent).toBeLessThanOrEqual(200);
          }
        },
      ),
    );
  });
});
