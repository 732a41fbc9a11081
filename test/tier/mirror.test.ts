/** What subscribers read of the mirror over the epochs of its shards. */
import { describe, expect, it } from "vitest";
import type { StoreEvent, SubscriberRead } from "../../src/store/api/store.ts";
import { Mirror } from "../../src/tier/mirror.ts";

const FIRST_EPOCH = 7n;
const NEXT_EPOCH = 8n;

function createMirror(): Mirror {
  const mirror = new Mirror(1, { maxEvents: 64, maxBytes: 4_096 }, () => {});
  mirror.moveTo(0, FIRST_EPOCH, 100);
  mirror.announce();
  return mirror;
}

function write(mirror: Mirror, epoch: bigint, revision: number, key: string): void {
  const event: StoreEvent = {
    ...{ shard: 0, revision, kind: "set", namespace: "n", target: "key", name: key },
    ...{ origin: "", traceparent: "" },
  };
  expect(mirror.apply(0, { epoch, revision, events: [event] })).toBe("applied");
  mirror.wake();
}

const keysOf = (read: SubscriberRead | undefined): unknown =>
  read?.kind === "events" ? read.events.map(({ name }) => name) : read?.kind;

const ALL = [{ namespace: "n", prefixes: [""] }] as const;

describe("the mirror", () => {
  it("says so when the system has no room for the logs of all shards", () => {
    const limits = { maxEvents: 64, maxBytes: 2 ** 46 };
    expect(() => new Mirror(64, limits, () => {})).toThrow(
      expect.objectContaining({
        reason: "LIMIT_EXCEEDED",
        message: `the system does not have the memory for 128 event logs of ${2 ** 46} bytes (logMaxBytes)`,
        detail: { limit: "memory", bound: "the system's" },
      }),
    );
  });

  it("has room for the logs of its shards twice, and takes no more for later epochs", () => {
    const [shards, maxBytes] = [64, 1 << 20];
    const before = process.memoryUsage().arrayBuffers;
    const mirror = new Mirror(shards, { maxEvents: 64, maxBytes }, () => {});
    for (let epoch = 1n; epoch <= 4n; epoch++) {
      for (let shard = 0; shard < shards; shard++) mirror.moveTo(shard, epoch, 1);
      mirror.announce();
    }
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2.5 * shards * maxBytes);
  });

  it("begins with an empty log in each epoch, also where the one before was never announced", () => {
    const mirror = createMirror();
    const reader = mirror.subscribe(ALL, Buffer.alloc(0), () => {});
    const keys = (epoch: bigint) => Array.from({ length: 100 }, (_, index) => `${epoch}/${index}`);
    const fill = (epoch: bigint) => {
      mirror.moveTo(0, epoch, 0);
      for (const [index, key] of keys(epoch).entries()) write(mirror, epoch, index + 1, key);
    };
    for (let epoch = 10n; epoch < 20n; epoch += 2n) {
      fill(epoch);
      fill(epoch + 1n);
      mirror.announce();
      expect(keysOf(reader.read(10, 1_000))).toBe("gap");
      write(mirror, epoch + 1n, 101, "last");
      expect(keysOf(reader.read(10, 1_000))).toEqual(["last"]);
      expect(mirror.logEventsOf(0)).toBe(64);
    }
  });

  it("gives the events of a new epoch also while a subscriber has not read those of the one before", () => {
    const mirror = createMirror();
    mirror.subscribe(ALL, Buffer.alloc(0), () => {});
    const reader = mirror.subscribe(ALL, Buffer.alloc(0), () => {});
    reader.read(10, 1_000);
    write(mirror, FIRST_EPOCH, 101, "before");
    expect(keysOf(reader.read(10, 1_000))).toEqual(["before"]);
    mirror.moveTo(0, NEXT_EPOCH, 50);
    mirror.announce();
    expect(keysOf(reader.read(10, 1_000))).toBe("gap");
    write(mirror, NEXT_EPOCH, 51, "after");
    expect(keysOf(reader.read(10, 1_000))).toEqual(["after"]);
  });
});
