/** What every engine tells subscribers: every mutation once, in order, resumable, or an explicit gap. */
import { describe, expect, it } from "vitest";
import type { StoreEvent, Subscriber } from "../../src/store/api/store.ts";
import {
  type CreateStoreUnderTest,
  noCursor,
  readAll,
  StoreDriver,
  sayings,
} from "../support/store-driver.ts";

/** One mutation of each kind, and again. */
function mutate(driver: StoreDriver, count: number): void {
  for (let number = 0; number < count; number++) {
    const key = `p/${number % 7}`;
    switch (number % 6) {
      case 0:
      case 1:
        driver.set(key, { tags: ["t"] });
        break;
      case 2:
        driver.touch(key, 100);
        break;
      case 3:
        driver.invalidateKeys([key, "q/1", "q/2", "r"], { soft: number % 12 === 3 });
        break;
      case 4:
        driver.invalidateTags(["t", "u"]);
        break;
      default:
        driver.invalidatePrefix("q/");
    }
  }
}

const ofShard = (events: readonly StoreEvent[], shard: number): StoreEvent[] =>
  events.filter((event) => event.shard === shard);

export function storeTellsEvents(create: CreateStoreUnderTest): void {
  const shards = 3;
  const start = (options = {}): StoreDriver => new StoreDriver(create, { shards, ...options });

  describe("Subscriber.read()", () => {
    it("tells every mutation of one shard in its order, with its writer", () => {
      const driver = start({ shards: 1 });
      const subscriber = driver.subscribe();
      driver.set("k", { writer: { origin: "me", traceparent: "00-1-2-01" } });
      driver.touch("k", 10);
      driver.invalidateKeys(["k", "l"], { soft: true });
      driver.invalidateTags(["t", "u"]);
      driver.invalidatePrefix("p/", { soft: true });
      driver.invalidateAll();
      const events = readAll(subscriber);
      expect(sayings(events)).toEqual([
        "set key k",
        "touched key k",
        "staled key k",
        "staled key l",
        "invalidated tag t",
        "invalidated tag u",
        "staled prefix p/",
        "invalidated all ",
      ]);
      expect(events.map((event) => event.revision)).toEqual([1, 2, 3, 3, 4, 4, 5, 6]);
      expect(events[0]).toEqual({
        shard: 0,
        revision: 1,
        kind: "set",
        namespace: "n",
        target: "key",
        name: "k",
        origin: "me",
        traceparent: "00-1-2-01",
      });
    });

    it("tells nothing of what changed nothing, expired, was swept or evicted", () => {
      const driver = start({ shards: 1, budgetBytes: 70_000 });
      for (let number = 0; number < 2_000; number++) driver.set(`k${number}`, { ttlMs: 10 });
      const subscriber = driver.subscribe();
      expect(driver.store.counters.evictedCapacity).toBeGreaterThan(0);
      driver.clock.advance(10_000);
      driver.sweep();
      driver.get("k1");
      driver.touch("k1", 10);
      driver.set("k1", { condition: { kind: "ifPresent" } });
      driver.release("k1", driver.token("k1"));
      expect(subscriber.behind()).toBe(false);
      expect(subscriber.read(10, 1_000)).toBeUndefined();
    });

    it("tells tag, prefix and namespace invalidations once for each shard", () => {
      const driver = start();
      const subscriber = driver.subscribe();
      driver.invalidateTags(["t"]);
      expect(readAll(subscriber).map((event) => event.shard)).toEqual([0, 1, 2]);
      driver.invalidateAll();
      expect(
        readAll(subscriber)
          .map((event) => event.shard)
          .sort(),
      ).toEqual([0, 1, 2]);
    });

    it.each([
      [[], ["p/1", "q"], ["t"], ["p/", "x"]],
      [["p/"], ["p/1"], ["t"], ["p/", "p/1", "p/11", "p"]],
      [["p/1", "q"], ["p/1", "q", "p/12"], ["t"], ["p/", "p/1", "p/11", "q/"]],
    ])("with the prefixes %j tells keys, tags and overlapping prefixes", (prefixes, keys, tags, told) => {
      const driver = start({ shards: 1 });
      const subscriber = driver.subscribe(prefixes);
      for (const key of keys) driver.set(key);
      driver.invalidateTags(tags);
      for (const prefix of told) driver.invalidatePrefix(prefix);
      driver.invalidateAll();
      const expected = [...keys, ...tags, ...told, ""];
      expect(readAll(subscriber).map((event) => event.name)).toEqual(expected);
      // And nothing beside those.
      driver.set("k", { namespace: "m" });
      driver.invalidateAll({ namespace: "m" });
      if (prefixes.length > 0) {
        driver.set("o");
        driver.set("p");
        driver.invalidatePrefix("x");
        driver.invalidatePrefix("p/2/x");
      }
      const others = sayings(readAll(subscriber));
      expect(others).toEqual(prefixes[0] === "p/" ? ["invalidated prefix p/2/x"] : []);
      expect(subscriber.behind()).toBe(false);
    });

    it.each([
      ["tenant-", ["tenant-1", "tenant-2", "tenant-"]],
      ["tenant-1", ["tenant-1"]],
      ["", ["n", "tenant", "tenant-1", "tenant-2", "tenant-"]],
      ["x", []],
    ])("with namespaceIsPrefix and %j tells all of the namespaces that begin so", (namespace, told) => {
      const driver = start({ shards: 1 });
      const subscriber = driver.store.subscribe(
        [{ namespace, namespaceIsPrefix: true, prefixes: [] }],
        noCursor,
        () => {},
      );
      const all = ["n", "tenant", "tenant-1", "tenant-2", "tenant-"];
      for (const one of all) {
        driver.set("k", { namespace: one });
        driver.invalidateTags(["t"], { namespace: one });
        driver.invalidatePrefix("p/", { namespace: one });
        driver.invalidateAll({ namespace: one });
      }
      const expected = all.filter((one) => told.includes(one));
      expect(readAll(subscriber).map((event) => `${event.namespace} ${event.target}`)).toEqual(
        expected.flatMap((one) => ["key", "tag", "prefix", "all"].map((target) => `${one} ${target}`)),
      );
      expect(subscriber.behind()).toBe(false);
      // A name of the log that has come later is selected too.
      driver.set("k", { namespace: `${namespace}later` });
      expect(readAll(subscriber).map((event) => event.namespace)).toEqual([`${namespace}later`]);
    });

    it("with namespaceIsPrefix resumes without loss, and tells an event once that two selectors match", () => {
      const driver = start();
      const selectors = [
        { namespace: "tenant-", namespaceIsPrefix: true, prefixes: [] },
        { namespace: "tenant-1", prefixes: ["p/"] },
        { namespace: "n", prefixes: ["p/"] },
      ];
      const cursor = driver.store.subscribe(selectors, noCursor, () => {}).cursor();
      for (const namespace of ["tenant-1", "n", "m", "tenant-2"]) {
        driver.set("p/1", { namespace });
        driver.set("q", { namespace });
      }
      const events = readAll(driver.store.subscribe(selectors, cursor, () => {}));
      expect(events.map(({ namespace, name }) => `${namespace} ${name}`).sort()).toEqual([
        "n p/1",
        "tenant-1 p/1",
        "tenant-1 q",
        "tenant-2 p/1",
        "tenant-2 q",
      ]);
    });

    it("never splits the events of one revision, and otherwise stops at the bounds", () => {
      const driver = start({ shards: 1 });
      const subscriber = driver.subscribe();
      driver.set("a");
      driver.invalidateKeys(["b", "c", "d", "e"]);
      driver.set("f");
      const reads = [1, 1, 1, 1].map((maxEvents) => {
        const read = subscriber.read(maxEvents, 1 << 20);
        return read?.kind === "events" ? read.events.map((event) => event.name).join("") : undefined;
      });
      expect(reads).toEqual(["a", "bcde", "f", undefined]);
      for (let number = 0; number < 10; number++) driver.set("k".repeat(500));
      const read = subscriber.read(1_000, 1_200);
      expect(read?.kind === "events" && read.events.length).toBe(3);
    });

    it("lets a busy shard not starve the others", () => {
      const driver = start();
      const [busy = "", quiet = "", calm = ""] = driver.keysOnShards(3);
      const subscriber = driver.subscribe();
      for (let number = 0; number < 1_000; number++) driver.set(busy);
      driver.set(quiet);
      driver.set(calm);
      const names = new Set<string>();
      for (let turn = 0; turn < 6; turn++) {
        const read = subscriber.read(10, 1 << 20);
        if (read?.kind === "events") for (const event of read.events) names.add(event.name);
      }
      expect(names).toEqual(new Set([busy, quiet, calm]));
    });

    it("does not look through everything at once for one that matches little", () => {
      const driver = start({ shards: 1 });
      const subscriber = driver.subscribe(["rare"]);
      for (let number = 0; number < 40_000; number++) driver.invalidateKeys(["k"]);
      driver.set("rare");
      let reads = 0;
      let found: StoreEvent[] = [];
      while (subscriber.behind()) {
        const read = subscriber.read(10, 1_000);
        reads++;
        if (read?.kind === "events") found = [...found, ...read.events];
      }
      expect(reads).toBeGreaterThan(2);
      expect(sayings(found)).toEqual(["set key rare"]);
    });
  });

  describe("Store.subscribe() with a cursor", () => {
    it("resumes at every event index of a history: no loss, no duplicate", () => {
      const driver = start();
      const whole = driver.subscribe();
      const cursors: { readonly cursor: Uint8Array; readonly seen: number }[] = [
        { cursor: whole.cursor(), seen: 0 },
      ];
      const history: StoreEvent[] = [];
      mutate(driver, 240);
      for (let read = whole.read(1, 1); read?.kind === "events"; read = whole.read(1, 1)) {
        history.push(...read.events);
        cursors.push({ cursor: read.cursor, seen: history.length });
      }
      expect(history.length).toBeGreaterThan(500);
      for (const { cursor, seen } of cursors) {
        const resumed = driver.subscribe([], cursor);
        const rest = readAll(resumed, 1 + (seen % 17));
        for (let shard = 0; shard < shards; shard++) {
          expect(ofShard(rest, shard)).toEqual(ofShard(history.slice(seen), shard));
        }
        expect(resumed.cursor()).toEqual(whole.cursor());
      }
    });

    it("resumes with a cursor taken before, between and after reads", () => {
      const driver = start();
      const first = driver.subscribe();
      mutate(driver, 12);
      const before = readAll(driver.subscribe([], first.cursor()));
      const all = readAll(first);
      expect(before).toEqual(all);
      expect(readAll(driver.subscribe([], first.cursor()))).toEqual([]);
      mutate(driver, 6);
      expect(readAll(driver.subscribe([], first.cursor()))).toEqual(readAll(first));
    });

    it("begins with one gap after another epoch's cursor, and goes on from now", () => {
      const driver = start();
      const cursor = start({ rng: undefined }).subscribe().cursor();
      const other = new StoreDriver(create, { shards, rng: { uint64: () => 5n, fraction: () => 0 } });
      const subscriber = other.subscribe([], cursor);
      expect(subscriber.behind()).toBe(true);
      mutate(other, 5);
      expect(subscriber.cursor()).toEqual(cursor);
      const read = subscriber.read(10, 1_000);
      expect(read).toMatchObject({ kind: "gap", reason: "epochChanged" });
      expect(readAll(subscriber)).toEqual([]);
      other.set("k");
      expect(sayings(readAll(subscriber))).toEqual(["set key k"]);
      expect(readAll(other.subscribe([], read?.cursor ?? noCursor))).toHaveLength(1);
      expect(driver.store.counters.overruns).toBe(0);
    });

    it("begins with one gap when its events are no longer kept", () => {
      const driver = start({ shards: 1, logMaxEvents: 8 });
      const cursor = driver.subscribe().cursor();
      for (let number = 0; number < 8; number++) driver.set("k");
      expect(readAll(driver.subscribe([], cursor))).toHaveLength(8);
      driver.set("k");
      expect(driver.subscribe([], cursor).read(10, 1_000)).toMatchObject({ reason: "cursorExpired" });
    });

    it("begins with one gap when the cursor is ahead of the store", () => {
      const driver = start({ shards: 1 });
      const later = start({ shards: 1 });
      later.set("k");
      const subscriber = driver.subscribe([], later.subscribe().cursor());
      expect(subscriber.read(10, 1_000)).toMatchObject({ kind: "gap", reason: "cursorAhead" });
      expect(subscriber.read(10, 1_000)).toBeUndefined();
    });

    it("refuses bytes that are no cursor of a store", () => {
      const driver = start();
      const cursor = driver.subscribe().cursor();
      for (let at = 0; at < cursor.length; at++) {
        const broken = cursor.slice();
        broken[at] = (broken[at] ?? 0) ^ 1;
        expect(() => driver.subscribe([], broken), `byte ${at}`).toThrow(
          expect.objectContaining({
            reason: "FIELD_INVALID",
            detail: expect.objectContaining({ field: "cursor" }),
          }),
        );
      }
      for (const length of [1, 11, 15, cursor.length - 1]) {
        expect(() => driver.subscribe([], cursor.slice(0, length))).toThrow("cursor");
      }
      const fewer = new StoreDriver(create, { shards: 2 });
      expect(() => fewer.subscribe([], cursor)).toThrow("cursor");
    });
  });

  describe("a subscriber that does not read", () => {
    it("reads exactly one gap after the log overran it, then what comes", () => {
      const driver = start({ logMaxEvents: 16 });
      const subscriber = driver.subscribe();
      mutate(driver, 600);
      const reads = [subscriber.read(10, 1_000), subscriber.read(10, 1_000)];
      expect(reads[0]).toMatchObject({ kind: "gap", reason: "overrun" });
      expect(reads[1]).toBeUndefined();
      driver.set("k");
      expect(sayings(readAll(subscriber))).toEqual(["set key k"]);
      expect(driver.store.counters.overruns).toBe(1);
    });

    it("is overrun by bytes as by events", () => {
      const driver = start({ shards: 1, logMaxBytes: 4_096 });
      const subscriber = driver.subscribe();
      for (let number = 0; number < 20; number++) driver.set("k".repeat(400));
      expect(driver.store.shards()[0]?.logEvents).toBeLessThanOrEqual(10);
      expect(subscriber.read(10, 1_000)).toMatchObject({ kind: "gap", reason: "overrun" });
    });

    it("reads a gap, not half, when a part of one revision was dropped", () => {
      const driver = start({ shards: 1, logMaxEvents: 3 });
      const subscriber = driver.subscribe();
      driver.invalidateKeys(["a", "b", "c", "d"]);
      expect(subscriber.read(10, 1_000)).toMatchObject({ kind: "gap", reason: "overrun" });
    });

    it("costs nothing and holds up nobody while 50 others see everything", () => {
      const driver = start({ logMaxEvents: 64 });
      let wakes = 0;
      const idle = driver.subscribe([], noCursor, () => wakes++);
      const others = Array.from({ length: 50 }, () => ({
        subscriber: driver.subscribe(),
        events: [] as StoreEvent[],
      }));
      for (let number = 0; number < 300; number++) {
        mutate(driver, 1);
        driver.invalidateAll();
        for (const { subscriber, events } of others) events.push(...readAll(subscriber));
      }
      expect(wakes).toBe(1);
      expect(others[0]?.events).toHaveLength(300 + 300 * shards);
      for (const { events } of others) expect(events).toEqual(others[0]?.events);
      for (const { logEvents } of driver.store.shards()) expect(logEvents).toBeLessThanOrEqual(64);
      expect(idle.read(10, 1_000)).toMatchObject({ kind: "gap", reason: "overrun" });
      expect(driver.store.counters.overruns).toBe(1);
    });
  });

  describe("a subscriber's wake", () => {
    it("comes at the first event after a read, from inside the mutation", () => {
      const driver = start();
      let wakes = 0;
      const subscriber = driver.subscribe([], noCursor, () => wakes++);
      expect(wakes).toBe(0);
      driver.set("a");
      driver.set("b");
      expect(wakes).toBe(1);
      readAll(subscriber);
      driver.invalidateTags(["t"]);
      expect(wakes).toBe(2);
    });

    it("stays due after calls that make no event", () => {
      const driver = start();
      let wakes = 0;
      const subscriber = driver.subscribe([], noCursor, () => wakes++);
      readAll(subscriber);
      driver.lease("k");
      driver.touch("none");
      driver.trySet("k", { condition: { kind: "ifPresent" } });
      expect(wakes).toBe(0);
      driver.set("k");
      expect(wakes).toBe(1);
    });

    it("comes no more after close, and to others all the same", () => {
      const driver = start();
      const woken: string[] = [];
      const wake = (): void => {
        woken.push("shared");
      };
      const closed = driver.subscribe([], noCursor, wake);
      driver.subscribe([], noCursor, wake);
      closed.close();
      driver.set("k");
      expect(woken).toEqual(["shared"]);
      closed.read(10, 1_000);
      driver.set("k");
      expect(woken).toEqual(["shared"]);
    });
  });

  describe("Subscriber.lag()", () => {
    it("counts the events from a position to the end, matching or not", () => {
      const driver = start({ shards: 1 });
      const subscriber = driver.subscribe(["none"]);
      const begin = subscriber.cursor();
      driver.set("a");
      driver.invalidateKeys(["b", "c"]);
      expect(subscriber.lag()).toBe(3);
      expect(subscriber.behind()).toBe(true);
      expect(subscriber.read(10, 1_000)).toBeUndefined();
      expect(subscriber.lag()).toBe(0);
      expect(subscriber.lag(begin)).toBe(3);
      expect(subscriber.lag(subscriber.cursor())).toBe(0);
    });
  });

  describe("Subscriber.select()", () => {
    it("replaces the selectors from here on, and only when everything was read", () => {
      const driver = start();
      const subscriber: Subscriber = driver.subscribe(["p/"]);
      driver.set("q/1");
      expect(() => subscriber.select([])).toThrow();
      expect(readAll(subscriber)).toEqual([]);
      subscriber.select([
        { namespace: "m", prefixes: [] },
        { namespace: "n", prefixes: ["q/"] },
      ]);
      driver.set("p/1");
      driver.set("q/2");
      driver.set("k", { namespace: "m" });
      expect(
        readAll(subscriber)
          .map((event) => event.name)
          .sort(),
      ).toEqual(["k", "q/2"]);
      subscriber.select([]);
      driver.set("q/3");
      expect(readAll(subscriber)).toEqual([]);
    });
  });
}
