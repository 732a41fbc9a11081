/** Subscribers of one thread while other threads append: to logs that each thread has a view of. */
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Selector, StoreEvent, SubscriberRead } from "../../../src/store/api/store.ts";
import { fromCursor } from "../../../src/store/events/cursor.ts";
import { DecodedEvents } from "../../../src/store/events/decoded-events.ts";
import { EventLog, eventLogBytes } from "../../../src/store/events/event-log.ts";
import { Lineage } from "../../../src/store/events/lineage.ts";
import { SharedReads } from "../../../src/store/events/shared-reads.ts";
import { LogSubscriber } from "../../../src/store/events/subscriber.ts";
import { createRegion } from "../../../src/store/shm/region.ts";

const epoch = 7n;
const noCursor = new Uint8Array();
const everything: readonly Selector[] = [{ namespace: "n", prefixes: [] }];

/** Two threads' views of the logs of a few shards. The second thread acts when the first lets a shard go. */
class TwoThreads {
  readonly #mine: readonly EventLog[];
  readonly #theirs: readonly EventLog[];
  readonly #revisions: number[];
  #heldShard: number | undefined;
  readonly #reads = new SharedReads();
  holds = 0;
  overruns = 0;
  /** Every event appended, by shard. */
  readonly appended: StoreEvent[][];
  afterRelease: (shard: number) => void = () => {};

  constructor(shards: number, maxEvents: number) {
    const limits = { maxEvents, maxBytes: 1 << 20 };
    const regions = Array.from({ length: shards }, () => createRegion(eventLogBytes(limits)));
    const views = () => regions.map((region, shard) => new EventLog(region, shard, limits));
    this.#mine = views();
    this.#theirs = views();
    this.#revisions = regions.map(() => 0);
    this.appended = regions.map(() => []);
  }

  /** A mutation of the other thread. */
  append(shard: number, names: readonly string[], namespace = "n"): void {
    expect(this.#heldShard).toBeUndefined();
    const revision = (this.#revisions[shard] ?? 0) + 1;
    this.#revisions[shard] = revision;
    for (const name of names) {
      const event = { shard, revision, namespace, name, origin: "", traceparent: "" };
      this.appended[shard]?.push({ ...event, kind: "set", target: "key" });
      this.#theirs[shard]?.append({ ...event, kind: "set", target: "key" });
    }
  }

  subscribe(cursor: Uint8Array = noCursor, selectors = everything): LogSubscriber {
    const source = {
      reads: this.#reads,
      lineage: new Lineage(epoch, []),
      logs: this.#mine,
      acquire: (shard: number) => {
        expect(this.#heldShard).toBeUndefined();
        this.#heldShard = shard;
        this.holds++;
      },
      release: (shard: number) => {
        expect(this.#heldShard).toBe(shard);
        this.#heldShard = undefined;
        this.afterRelease(shard);
      },
      revisionOf: (shard: number) => {
        expect(this.#heldShard).toBe(shard);
        return this.#revisions[shard] ?? 0;
      },
      waitList: { add() {}, delete() {} },
      decoded: new DecodedEvents(),
      overran: () => this.overruns++,
    };
    return new LogSubscriber(source, selectors, cursor, () => {});
  }
}

const namesOf = (read: SubscriberRead | undefined): string[] | undefined =>
  read?.kind === "events" ? read.events.map((event) => event.name) : undefined;

const numbered = (count: number): string[] => Array.from({ length: count }, (_, number) => `k${number}`);

describe("a subscriber among threads", () => {
  it("holds a shard for some hundreds of events at a time, and no shard where nothing is new", () => {
    const threads = new TwoThreads(4, 10_000);
    const subscriber = threads.subscribe();
    threads.holds = 0;
    expect(subscriber.behind()).toBe(false);
    expect(subscriber.lag()).toBe(0);
    expect(subscriber.read(10_000, 1 << 20)).toBeUndefined();
    expect(threads.holds).toBe(0);
    for (const name of numbered(1_000)) threads.append(2, [name]);
    expect(subscriber.behind()).toBe(true);
    expect(subscriber.lag()).toBe(1_000);
    expect(namesOf(subscriber.read(10_000, 1 << 20))).toEqual(numbered(1_000));
    expect(threads.holds).toBe(4);
  });

  it("holds only shards in which it stands elsewhere to tell the lag of a cursor", () => {
    const threads = new TwoThreads(3, 10_000);
    const subscriber = threads.subscribe();
    const beginning = subscriber.cursor();
    for (const name of numbered(5)) threads.append(1, [name]);
    subscriber.read(10_000, 1 << 20);
    for (const name of numbered(2)) threads.append(1, [name]);
    threads.append(2, ["k"]);
    threads.holds = 0;
    expect([subscriber.lag(), subscriber.lag(subscriber.cursor()), threads.holds]).toEqual([3, 3, 0]);
    expect([subscriber.lag(beginning), threads.holds]).toEqual([8, 1]);
  });

  it("lets go of a shard between the events of others, too", () => {
    const threads = new TwoThreads(1, 20_000);
    const subscriber = threads.subscribe();
    for (const name of numbered(10_000)) threads.append(0, [name], "other");
    threads.holds = 0;
    expect(subscriber.read(10_000, 1 << 20)).toBeUndefined();
    expect(subscriber.unfinished()).toBe(false);
    expect(threads.holds).toBe(3);
  });

  it("never splits a revision between two holds", () => {
    const threads = new TwoThreads(1, 1_000);
    const subscriber = threads.subscribe();
    threads.append(0, ["first"]);
    threads.append(0, numbered(600));
    threads.append(0, ["last"]);
    let isFirst = true;
    threads.afterRelease = () => {
      if (!isFirst) return;
      isFirst = false;
      // Drops all that was read if it was read to the end of a revision, and else what was not.
      threads.append(0, numbered(999));
    };
    expect(namesOf(subscriber.read(10_000, 1 << 20))).toHaveLength(602 + 999);
  });

  it("reads a gap, without what it had read, when the log overruns it between two holds", () => {
    const threads = new TwoThreads(2, 1_000);
    const subscriber = threads.subscribe();
    for (const name of numbered(900)) threads.append(1, [name]);
    threads.append(0, ["k"]);
    let isFirst = true;
    threads.afterRelease = (shard) => {
      if (shard !== 1 || !isFirst) return;
      isFirst = false;
      for (const name of numbered(1_200)) threads.append(1, [name]);
    };
    const read = subscriber.read(10_000, 1 << 20);
    expect(read).toMatchObject({ kind: "gap", reason: "overrun" });
    expect(fromCursor(read?.cursor ?? noCursor).revisions).toEqual([1, 2_100]);
    expect(threads.overruns).toBe(1);
    expect(subscriber.read(10_000, 1 << 20)).toBeUndefined();
    threads.append(1, ["next"]);
    expect(namesOf(subscriber.read(10, 1_000))).toEqual(["next"]);
  });

  it("is done with a read that came to the ends, though there is more by then", () => {
    const threads = new TwoThreads(2, 1_000);
    const subscriber = threads.subscribe();
    threads.append(0, ["a"]);
    threads.append(1, ["b"]);
    threads.afterRelease = () => threads.append(0, ["more"]);
    expect(namesOf(subscriber.read(10, 1_000))).toEqual(["a", "b"]);
    expect([subscriber.behind(), subscriber.unfinished()]).toEqual([true, false]);
    expect(() => subscriber.select(everything)).not.toThrow();
    threads.afterRelease = () => {};
    expect(namesOf(subscriber.read(1, 1_000))).toEqual(["more"]);
    expect(subscriber.unfinished()).toBe(true);
  });

  it("reads what another that stood there has read, and what has come since", () => {
    const threads = new TwoThreads(2, 1_000);
    const [first, second, other] = [
      threads.subscribe(),
      threads.subscribe(),
      threads.subscribe(noCursor, [{ namespace: "other", prefixes: [] }]),
    ];
    for (const one of [first, second]) {
      threads.append(0, ["a"]);
      expect(namesOf(one.read(10, 1_000))).toContain("a");
    }
    threads.append(1, ["b"]);
    expect(namesOf(first.read(10, 1_000))).toEqual(["a", "b"]);
    expect(namesOf(second.read(10, 1_000))).toEqual(["b"]);
    threads.append(0, ["c"]);
    const read = first.read(10, 1_000);
    threads.holds = 0;
    expect(second.read(10, 1_000)).toBe(read);
    expect([threads.holds, second.behind(), second.unfinished()]).toEqual([0, false, false]);
    expect(other.read(10, 1_000)).toBeUndefined();

    threads.append(0, ["d"]);
    expect(namesOf(first.read(10, 1_000))).toEqual(["d"]);
    threads.append(1, ["e"]);
    expect(namesOf(second.read(10, 1_000))).toEqual(["d"]);
    // Nobody will wake it for what came before that read.
    expect(second.unfinished()).toBe(true);
    expect(namesOf(second.read(10, 1_000))).toEqual(["e"]);
  });

  it("reads everything once or a gap, and resumes, whatever is appended between its holds", () => {
    const appends = fc.array(fc.tuple(fc.nat({ max: 2 }), fc.integer({ min: 1, max: 8 })), { maxLength: 30 });
    const turn = fc.record({
      before: appends,
      between: appends,
      resumes: fc.boolean(),
      reader: fc.nat({ max: 2 }),
      maxEvents: fc.constantFrom(20, 5),
    });
    const turns = fc.array(turn, { maxLength: 40 });
    const scenario = fc.property(turns, fc.integer({ min: 4, max: 60 }), (history, maxEvents) => {
      const threads = new TwoThreads(3, maxEvents);
      // They want the same, and share what they can.
      const subscribers = [threads.subscribe(), threads.subscribe(), threads.subscribe()];
      /** Of each and by shard: how many events it has read or was told to have missed. */
      const toldOf = subscribers.map(() => threads.appended.map(() => 0));
      for (const { before, between, resumes, reader, maxEvents: readMaxEvents } of history) {
        let subscriber = subscribers[reader] ?? threads.subscribe();
        const told = toldOf[reader] ?? [];
        for (const [shard, count] of before) threads.append(shard, numbered(count));
        const waiting = [...between];
        threads.afterRelease = () => {
          const next = waiting.shift();
          if (next !== undefined) threads.append(next[0], numbered(next[1]));
        };
        if (resumes) subscriber = threads.subscribe(subscriber.cursor());
        subscribers[reader] = subscriber;
        const read = subscriber.read(readMaxEvents, 10_000);
        threads.afterRelease = () => {};
        if (read === undefined && !subscriber.unfinished())
          expect(between.length > 0 || !subscriber.behind()).toBe(true);
        const seen = fromCursor(subscriber.cursor()).revisions;
        threads.appended.forEach((events, shard) => {
          const expected = events.slice(told[shard]).filter((event) => event.revision <= (seen[shard] ?? 0));
          const got = read?.kind === "events" ? read.events.filter((event) => event.shard === shard) : [];
          if (read?.kind !== "gap") expect(got).toEqual(expected);
          told[shard] = (told[shard] ?? 0) + expected.length;
        });
      }
    });
    fc.assert(scenario, { numRuns: 150 });
  });
});
