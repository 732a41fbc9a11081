/** What is published, and in the stream. */
import { expect } from "vitest";
import type { InvalidateCommand } from "../../../src/store/api/store.ts";
import {
  invalidateKeysOperation,
  releaseOperation,
  touchOperation,
} from "../../../src/tier/library/operations.ts";
import { readRecords, type TierRecord } from "../../../src/tier/library/records.ts";
import type { RespConnection } from "../../support/engine/resp-connection.ts";
import type { Scenarios } from "./scenario.ts";

const writer = { origin: "", traceparent: "" };
const invalidation: InvalidateCommand = {
  namespace: "n",
  target: { kind: "all" },
  soft: false,
  sourceVersion: 0n,
  writer,
};

/** What is published of the shard, in this order. `all`: up to now. */
async function listenTo(connection: RespConnection, channel: string) {
  const records: TierRecord[] = [];
  connection.published = (message) => records.push(...readRecords(message, 0));
  await connection.call("SSUBSCRIBE", channel);
  return {
    async all(): Promise<readonly TierRecord[]> {
      await connection.call("PING");
      return records;
    },
  };
}

const sayingsOf = (records: readonly TierRecord[]): string[] =>
  records.flatMap((record) => {
    if (record.kind === "claimed") return ["claimed"];
    if (record.kind === "leaseEnded")
      return record.keys.map((key) => `lease ended ${record.namespace} ${key}`);
    return record.events.map(({ kind, target, namespace, name }) => `${kind} ${target} ${namespace} ${name}`);
  });

const STREAM_RECORDS = 400;
/** The library trims once in so many calls. */
const TRIM_CALLS = 32;
/** Of a stream, that the engine drops as a whole. */
const NODE_RECORDS = 100;

export const recordScenarios: Scenarios = {
  "are published as they are in the stream": async ({ driver, open }) => {
    const listening = await listenTo(await open(), driver.shard.keys.stream);
    await driver.set("k", { writer: { origin: "who", traceparent: "00-trace" } });
    await driver.touch("k");
    await driver.increment("count", 1n);
    await driver.invalidate({ kind: "keys", keys: ["k", "ключ"] }, { soft: true });
    await driver.invalidate({ kind: "tags", tags: ["t", "u"] });
    await driver.invalidatePrefix("p/");
    await driver.invalidate({ kind: "all" });
    const published = await listening.all();
    expect(sayingsOf(published)).toEqual([
      ...["set key n k", "touched key n k", "set key n count", "staled key n k", "staled key n ключ"],
      ...["invalidated tag n t", "invalidated tag n u", "invalidated prefix n p/", "invalidated all n "],
    ]);
    const [claimed, ...rest] = await driver.shard.records();
    expect(claimed?.kind).toBe("claimed");
    expect(rest).toEqual(published);
    const [first] = published;
    if (first?.kind !== "events") throw new Error("a Set has an event");
    expect(first.events[0]).toMatchObject({ origin: "who", traceparent: "00-trace" });
    expect(first.epoch).toBe((await driver.shard.readHead())?.epoch);
  },

  "say that a lease has ended where no event does, and only on the channel": async ({ driver, open }) => {
    const listening = await listenTo(await open(), driver.shard.keys.stream);
    const revision = (await driver.shard.readHead())?.revision;
    await driver.lease("released", 1n);
    await driver.shard.release("n", "released", 1n);
    await driver.lease("refused", 2n);
    const source = { sourceVersion: 5n };
    await driver.invalidate({ kind: "keys", keys: ["refused"] }, source);
    await driver.lease("refused", 3n);
    const refused = await driver.set("refused", {
      sourceVersion: 4n,
      condition: { kind: "lease", token: 3n },
    });
    expect(refused).toBe("olderSourceVersion");
    const published = await listening.all();
    expect(sayingsOf(published)).toEqual([
      "lease ended n released",
      "invalidated key n refused",
      "lease ended n refused",
    ]);
    expect(published.map((record) => record.revision)).toEqual(
      [0, 1, 1].map((step) => (revision ?? 0) + step),
    );
    expect(await driver.shard.records()).toHaveLength(2);
  },

  "of one call come together, and in the stream without the ends of leases": async ({
    driver,
    connection,
    open,
  }) => {
    await driver.lease("leased", 1n);
    const listening = await listenTo(await open(), driver.shard.keys.stream);
    await driver.shard.run([
      touchOperation({ namespace: "n", key: "none", ttlMs: 0, staleMs: 0, writer }),
      invalidateKeysOperation(invalidation, ["a"]),
      releaseOperation({ namespace: "n", key: "leased" }, 1n),
      invalidateKeysOperation(invalidation, ["b"]),
    ]);
    const published = await listening.all();
    expect(sayingsOf(published)).toEqual([
      "invalidated key n a",
      "invalidated key n b",
      "lease ended n leased",
    ]);
    expect((await driver.shard.records()).slice(1)).toEqual(published.slice(0, 2));
    expect(await connection.call("XLEN", driver.shard.keys.stream)).toBe(2);
    const head = await driver.shard.readHead();
    expect(published.map(({ revision }) => revision - (head?.revision ?? 0))).toEqual([-1, 0, -1]);
  },

  "of what a call has done are there when it fails half-way": async ({ driver, connection, open }) => {
    const listening = await listenTo(await open(), driver.shard.keys.stream);
    await connection.call("SET", driver.shard.keys.head.replace(/m$/, "l"), "no hash");
    await driver.shard.run([]);
    const half = [invalidateKeysOperation(invalidation, ["a"]), invalidateKeysOperation(invalidation, ["b"])];
    await expect(driver.shard.run(half)).rejects.toThrow(/WRONGTYPE/);
    expect(sayingsOf(await listening.all())).toEqual(["invalidated key n a"]);
    await connection.call("DEL", driver.shard.keys.head.replace(/m$/, "l"));
    const before = await driver.shard.readHead();
    expect(await driver.set("k")).toBe("stored");
    expect((await driver.shard.readHead())?.revision).toBe((before?.revision ?? 0) + 1);
  },

  "that cannot be written make the shard another writer's": async ({ driver, connection }) => {
    await driver.set("k");
    await connection.call("SET", driver.shard.keys.stream, "no stream");
    await expect(driver.set("k", { value: "w" })).rejects.toThrow(/^TENURE/);
    await expect(driver.read("k")).rejects.toThrow(/^TENURE/);
    expect(await driver.shard.claim()).toBe(true);
    expect(await driver.read("k")).toBeUndefined();
    expect(await driver.set("k")).toBe("stored");
  },

  "are of a claim, and then of the new epoch": async ({ driver, connection, open }) => {
    await driver.set("k");
    const before = await driver.shard.readHead();
    const listening = await listenTo(await open(), driver.shard.keys.stream);
    const { head } = driver.shard.keys;
    const bytes = await connection.call("GET", head);
    if (!(bytes instanceof Buffer)) throw new Error("there is a head");
    bytes.write("0".repeat(40), 9, "latin1");
    await connection.call("SET", head, bytes);
    expect(await driver.shard.claim()).toBe(true);
    await driver.set("k");
    const [claimed, set] = await listening.all();
    expect(claimed).toMatchObject({ kind: "claimed", revision: (before?.revision ?? 0) + 2 ** 20 });
    expect(set).toMatchObject({
      kind: "events",
      epoch: claimed?.epoch,
      revision: (claimed?.revision ?? 0) + 1,
    });
    expect(claimed?.epoch).not.toBe(before?.epoch);
    expect(await driver.shard.records()).toEqual([claimed, set]);
  },

  "are trimmed, and those that are left have no hole": async ({ driver, connection }) => {
    const short = driver.withStreamOf(10);
    for (let number = 0; number < 400; number++) await short.set(`k-${number}`);
    const revisions = (await driver.shard.records()).map((record) => record.revision);
    expect(revisions.length).toBeLessThan(300);
    expect(revisions).toEqual(revisions.map((_, index) => (revisions[0] ?? 0) + index));
    expect(await connection.call("XLEN", driver.shard.keys.stream)).toBe(revisions.length);
  },

  "are trimmed by the server that keeps fewest, whoever has filled the stream": async ({ driver }) => {
    const long = driver.withStreamOf(100_000);
    for (let number = 0; number < STREAM_RECORDS; number++) await long.set(`k-${number}`);
    expect(await driver.shard.records()).toHaveLength(STREAM_RECORDS + 1);
    const short = driver.withStreamOf(16);
    for (let number = 0; number < TRIM_CALLS; number++) await short.set(`k-${number}`);
    expect((await driver.shard.records()).length).toBeLessThanOrEqual(16 + NODE_RECORDS + TRIM_CALLS);
  },
};
