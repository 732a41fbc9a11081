/** The ring of events of one shard. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { EventLog } from "../../src/store/event-log.ts";
import type { StoreEvent } from "../../src/store/store.ts";

const eventOf = (revision: number, name = "k"): StoreEvent => ({
  shard: 0,
  revision,
  kind: "set",
  namespace: "n",
  target: "key",
  name,
  origin: "",
  traceparent: "",
});

describe("EventLog", () => {
  it("keeps the latest events in their order, and knows what it lost", () => {
    const steps = fc.array(fc.nat({ max: 3 }), { maxLength: 300 });
    const scenario = fc.property(steps, fc.integer({ min: 1, max: 100 }), (revisionSteps, maxEvents) => {
      const log = new EventLog({ maxEvents, maxBytes: 1 << 20 });
      const all: StoreEvent[] = [];
      let revision = 1;
      for (const step of revisionSteps) {
        revision += step;
        const event = eventOf(revision, `k${all.length}`);
        all.push(event);
        log.append(event);
      }
      const kept = all.slice(Math.max(0, all.length - maxEvents));
      expect(log.end).toBe(all.length);
      expect(log.end - log.start).toBe(kept.length);
      expect(kept.map((_, index) => log.at(log.start + index))).toEqual(kept);
      expect(log.lostRevision).toBe(all[all.length - kept.length - 1]?.revision ?? 0);
      for (let asked = 0; asked <= revision; asked++) {
        const first = kept.findIndex((event) => event.revision > asked);
        expect(log.after(asked)).toBe(first < 0 ? log.end : log.start + first);
      }
    });
    fc.assert(scenario, { numRuns: 200 });
  });

  it("drops the oldest for the bytes of a new one, and always keeps the new one", () => {
    const log = new EventLog({ maxEvents: 100, maxBytes: 4_096 });
    for (let revision = 1; revision <= 50; revision++) log.append(eventOf(revision, "k".repeat(500)));
    expect(log.end - log.start).toBe(6);
    log.append(eventOf(51, "k".repeat(10_000)));
    expect(log.at(log.end - 1).revision).toBe(51);
    expect(log.end - log.start).toBe(1);
  });

  it("refuses positions that it does not keep", () => {
    const log = new EventLog({ maxEvents: 2, maxBytes: 4_096 });
    for (let revision = 1; revision <= 3; revision++) log.append(eventOf(revision));
    for (const position of [0, 3, -1]) expect(() => log.at(position)).toThrow(RangeError);
  });
});
