/** The log of events of one shard, against an array of all events ever appended. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { StoreEvent } from "../../../src/store/api/store.ts";
import { DecodedEvents } from "../../../src/store/events/decoded-events.ts";
import {
  EventLog,
  type EventLogLimits,
  eventLogBytes,
  type LogPlace,
} from "../../../src/store/events/event-log.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

const shard = 3;
const createLog = (limits: EventLogLimits) =>
  new EventLog(createRegion(eventLogBytes(limits)), shard, limits);
const eventOf = (revision: number, parts: Partial<StoreEvent> = {}): StoreEvent => ({
  shard,
  revision,
  kind: "set",
  namespace: "n",
  target: "key",
  name: "k",
  origin: "",
  traceparent: "",
  ...parts,
});

const text = (maxLength: number) =>
  fc.oneof(fc.constant(""), fc.string({ maxLength }), fc.string({ unit: "grapheme", maxLength }));

/** A step of the revision, and the rest of the event. */
const appended = fc.record({
  step: fc.oneof(
    { weight: 8, arbitrary: fc.nat({ max: 3 }) },
    { weight: 1, arbitrary: fc.nat({ max: 2 ** 40 }) },
  ),
  event: fc.record({
    kind: fc.constantFrom("set", "invalidated", "staled", "touched"),
    namespace: fc.oneof(fc.constantFrom("n", "m", "n.o"), text(20)),
    target: fc.constantFrom("key", "tag", "prefix", "all"),
    name: fc.oneof(
      { weight: 8, arbitrary: text(40) },
      { weight: 1, arbitrary: fc.integer({ min: 1, max: 3_000 }).map((length) => "k".repeat(length)) },
    ),
    origin: fc.oneof(fc.constantFrom("", "me"), text(20)),
    traceparent: fc.oneof(fc.constant(""), text(60)),
  }),
});

/** Everything from a place to the end, whatever its namespace. */
function readFrom(
  log: EventLog,
  place: LogPlace,
  namespaces: readonly string[],
  decoded = new DecodedEvents(),
): StoreEvent[] {
  const ids = namespaces.map(
    (namespace) => log.namespaceIds([{ namespace: namespace, prefixes: [] }])[0] ?? 0,
  );
  const events: StoreEvent[] = [];
  while (place.position < log.end) {
    const revision = log.revisionAt(place);
    const event = log.next(place, ids, decoded);
    if (event === undefined) throw new Error("an event of a namespace asked for was passed over");
    expect(event.revision).toBe(revision);
    expect(place.revision).toBe(revision);
    events.push(event);
  }
  return events;
}

describe("EventLog", () => {
  it("gives back what was appended from every place, and knows what it lost", () => {
    const history = fc.array(appended, { maxLength: 300, size: "max" });
    const scenario = fc.property(
      history,
      fc.oneof(fc.constant(1_000), fc.integer({ min: 1, max: 200 })),
      fc.constantFrom(4_096, 5_001, 20_000, 1 << 20),
      (steps, maxEvents, maxBytes) => {
        const log = createLog({ maxEvents, maxBytes });
        const all: StoreEvent[] = [];
        /** Readers that stand still from some time on. */
        const places: LogPlace[] = [];
        let revision = 1;
        for (const { step, event } of steps) {
          if (all.length % 7 === 0) places.push(log.placeAtEnd());
          revision += step;
          all.push(eventOf(revision, event));
          log.append(eventOf(revision, event));
          expect(log.end).toBe(all.length);
          expect(log.end - log.start).toBeLessThanOrEqual(maxEvents);
          expect(log.bytes).toBeLessThanOrEqual(maxBytes);
          expect(log.lostRevision).toBe(all[log.start - 1]?.revision ?? 0);
        }
        const namespaces = [...new Set(all.map((event) => event.namespace))];
        const kept = all.slice(log.start);
        expect(readFrom(log, log.placeAfter(-1), namespaces)).toEqual(kept);
        for (const place of places) {
          const rest = all.slice(place.position);
          if (place.position >= log.start) expect(readFrom(log, place, namespaces)).toEqual(rest);
          else expect(() => log.next(place, [], new DecodedEvents())).toThrow(RangeError);
        }
        for (const asked of new Set(all.flatMap((event) => [event.revision - 1, event.revision]))) {
          const first = kept.findIndex((event) => event.revision > asked);
          const place = log.placeAfter(asked);
          expect(place.position).toBe(first < 0 ? log.end : log.start + first);
          expect(place.revision).toBe(all[place.position - 1]?.revision ?? 0);
        }
      },
    );
    fc.assert(scenario, { numRuns: 80 });
  });

  it("is one log to all threads, whichever of them appends and reads", () => {
    const history = fc.array(fc.tuple(appended, fc.nat({ max: 2 }), fc.nat({ max: 2 })), {
      maxLength: 300,
      size: "max",
    });
    const scenario = fc.property(
      history,
      fc.integer({ min: 1, max: 100 }),
      fc.constantFrom(4_096, 20_000, 1 << 20),
      (steps, maxEvents, maxBytes) => {
        const limits = { maxEvents, maxBytes };
        const region = createRegion(eventLogBytes(limits));
        const views = Array.from({ length: 3 }, () => new EventLog(region, shard, limits));
        const all: StoreEvent[] = [];
        /** One reader a view, which reads now and then. */
        const places = views.map((view) => view.placeAtEnd());
        const namespaces = [...new Set(steps.map(([{ event }]) => event.namespace))];
        let revision = 1;
        for (const [{ step, event }, writer, reader] of steps) {
          const log = views[writer];
          const other = views[reader];
          const place = places[reader];
          if (log === undefined || other === undefined || place === undefined)
            throw new Error("no such view");
          revision += step;
          all.push(eventOf(revision, event));
          log.append(eventOf(revision, event));
          expect([other.end, other.start, other.bytes]).toEqual([all.length, log.start, log.bytes]);
          expect(other.lostRevision).toBe(all[log.start - 1]?.revision ?? 0);
          expect(other.eventsSince(place.position)).toBe(all.length - place.position);
          if (all.length % 5 !== 0) continue;
          if (place.position >= other.start) {
            const rest = all.slice(place.position);
            expect(readFrom(other, place, namespaces)).toEqual(rest);
          } else {
            expect(() => other.next(place, [], new DecodedEvents())).toThrow(RangeError);
            places[reader] = other.placeAfter(other.lostRevision);
          }
        }
        for (const view of views) {
          const kept = all.slice(view.start);
          expect(readFrom(view, view.placeAfter(-1), namespaces)).toEqual(kept);
          for (const { revision: asked } of kept) {
            const first = kept.findIndex((event) => event.revision > asked);
            expect(view.placeAfter(asked).position).toBe(first < 0 ? view.end : view.start + first);
          }
        }
      },
    );
    fc.assert(scenario, { numRuns: 60 });
  });

  it("decodes an event once for all readers of a thread that come before it is let go", () => {
    const limits = { maxEvents: 1_000, maxBytes: 1 << 20 };
    const region = createRegion(eventLogBytes(limits));
    const [mine, others] = [new EventLog(region, shard, limits), new EventLog(region, shard, limits)];
    const first = mine.placeAtEnd();
    const events = Array.from({ length: 200 }, (_, at) => eventOf(at + 1, { name: `k${at}` }));
    for (const event of events) (event.revision % 2 === 0 ? others : mine).append(event);
    const decoded = new DecodedEvents();
    const [one = [], other = []] = [1, 2].map(() => readFrom(mine, { ...first }, ["n"], decoded));
    expect(one).toEqual(events);
    for (const [at, event] of one.entries()) expect(event).toBe(other[at]);
    decoded.clear();
    const third = readFrom(mine, { ...first }, ["n"], decoded);
    expect(third).toEqual(events);
    for (const [at, event] of third.entries()) expect(event).not.toBe(other[at]);
  });

  it("drops the oldest event for one more than the most, and the oldest page for one byte more", () => {
    const few = createLog({ maxEvents: 3, maxBytes: 1 << 20 });
    for (let revision = 1; revision <= 4; revision++) few.append(eventOf(revision));
    expect([few.start, few.end, few.lostRevision]).toEqual([1, 4, 1]);

    // Three bytes and a sized name of 20: 1,365 events and 8 bytes to a page.
    const log = createLog({ maxEvents: 1 << 20, maxBytes: 65_536 });
    expect(log.bytes).toBe(0);
    for (let revision = 1; revision <= 2 * 1_365; revision++) {
      log.append(eventOf(revision, { name: "k".repeat(20) }));
    }
    expect([log.start, log.bytes]).toEqual([0, 65_536]);
    log.append(eventOf(2_731, { name: "12345" }));
    expect([log.start, log.end, log.bytes]).toEqual([1_365, 2_731, 65_536]);
  });

  it("takes a page when it needs one, and gives back what events that are few do not need", () => {
    const log = createLog({ maxEvents: 100, maxBytes: 1 << 20 });
    log.append(eventOf(1));
    expect(log.bytes).toBe(32_768);
    for (let revision = 2; revision <= 200; revision++)
      log.append(eventOf(revision, { name: "k".repeat(2_000) }));
    expect(log.bytes).toBeGreaterThan(6 * 32_768);
    for (let revision = 201; revision <= 20_000; revision++) log.append(eventOf(revision));
    expect(log.bytes).toBeLessThanOrEqual(3 * 32_768);
  });

  it("loses an event that is larger than a page, with all before it, and goes on", () => {
    const log = createLog({ maxEvents: 100, maxBytes: 4_096 });
    for (let revision = 1; revision <= 10; revision++) log.append(eventOf(revision));
    const place = log.placeAtEnd();
    log.append(eventOf(11, { name: "k".repeat(10_000), origin: "me" }));
    expect([log.start, log.end, log.lostRevision]).toEqual([11, 11, 11]);
    expect(log.bytes).toBeLessThanOrEqual(4_096);
    expect(() => log.next(place, [], new DecodedEvents())).toThrow(RangeError);
    log.append(eventOf(11));
    log.append(eventOf(12));
    expect(readFrom(log, log.placeAfter(11), ["n"])).toEqual([eventOf(12)]);
    expect(readFrom(log, log.placeAfter(10), ["n"])).toEqual([eventOf(11), eventOf(12)]);
  });

  it("keeps more namespaces and origins than it has numbers for", () => {
    const log = createLog({ maxEvents: 600, maxBytes: 1 << 20 });
    const all: StoreEvent[] = [];
    for (let revision = 1; revision <= 2_000; revision++) {
      all.push(eventOf(revision, { namespace: `n${revision % 700}`, origin: `client-${revision % 599}` }));
    }
    for (const event of all) log.append({ ...event });
    const namespaces = all.map((event) => event.namespace);
    expect(readFrom(log, log.placeAfter(0), namespaces)).toEqual(all.slice(-600));
  });

  it("passes other namespaces over", () => {
    const log = createLog({ maxEvents: 1_000, maxBytes: 1 << 20 });
    const first = log.placeAtEnd();
    for (let revision = 1; revision <= 500; revision++) {
      log.append(eventOf(revision, { namespace: revision % 2 === 0 ? "even" : "odd" }));
    }
    const even = [log.namespaceIds([{ namespace: "even", prefixes: [] }])[0] ?? 0];
    expect(log.namespaceIds([{ namespace: "none", prefixes: [] }])[0] ?? 0).toBe(0);
    const read: StoreEvent[] = [];
    for (const place = { ...first }; place.position < log.end; ) {
      const event = log.next(place, even, new DecodedEvents());
      if (event !== undefined) read.push(event);
    }
    expect(read.map((event) => event.revision)).toEqual(Array.from({ length: 250 }, (_, at) => 2 * at + 2));
  });

  it("refuses places that it does not keep", () => {
    const log = createLog({ maxEvents: 2, maxBytes: 4_096 });
    const lost = log.placeAtEnd();
    for (let revision = 1; revision <= 3; revision++) log.append(eventOf(revision));
    for (const place of [lost, log.placeAtEnd()]) {
      expect(() => log.next({ ...place }, [], new DecodedEvents())).toThrow(RangeError);
      expect(() => log.revisionAt({ ...place })).toThrow(RangeError);
    }
  });
});
