/** An engine whose memory is full refuses what would take more, or evicts entries: never what a shard must have. */
import { afterEach, beforeAll, beforeEach, expect, it } from "vitest";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { ShardDriver } from "../../support/engine/shard-driver.ts";
import { loadLibrary, manualLibrary } from "../../support/engine/test-library.ts";

const ROOM_BYTES = 2 * 1024 * 1024;
const VALUE_BYTES = 64 * 1024;
const SETS = 64;

describeEngines("full memory", (engine) => {
  let driver: ShardDriver;
  const value = "v".repeat(VALUE_BYTES);

  beforeAll(() => loadLibrary(engine.connection, manualLibrary()));
  beforeEach(async () => {
    driver = await ShardDriver.empty(engine.connection);
  });
  afterEach(() => limitTo(0, "noeviction"));

  async function limitTo(roomBytes: number, policy: string): Promise<void> {
    const info = await engine.connection.text("INFO", "memory");
    const used = Number(/used_memory:(\d+)/.exec(info)?.[1]);
    await engine.connection.call("CONFIG", "SET", "maxmemory", roomBytes === 0 ? 0 : used + roomBytes);
    await engine.connection.call("CONFIG", "SET", "maxmemory-policy", policy);
  }

  it("that evicts nothing refuses calls before they begin, and still reads", async () => {
    await driver.set("first");
    await limitTo(ROOM_BYTES, "noeviction");
    let refused: unknown;
    let stored = 0;
    for (let number = 0; refused === undefined && number < SETS; number++) {
      await driver.set(`k-${number}`, { value }).then(
        () => stored++,
        (error: unknown) => {
          refused = error;
        },
      );
    }
    expect(String(refused)).toContain("OOM");
    const get = { namespace: "n", key: "first", ifVersion: 0, ifEpoch: 0n, allowStale: false };
    expect((await driver.shard.get(get, true)).kind).toBe("hit");
    await limitTo(0, "noeviction");
    const before = await driver.shard.readHead();
    expect(await driver.set("after")).toBe("stored");
    expect((await driver.shard.readHead())?.revision).toBe((before?.revision ?? 0) + 1);
    expect(await driver.shard.records()).toHaveLength(1 + 1 + stored + 1);
  });

  it("that evicts what expires evicts entries alone", async () => {
    await driver.set("tagged", { tags: ["t"] });
    await driver.invalidateTags("t");
    await driver.invalidatePrefix("p/");
    await driver.lease("leased", 1n);
    const { entries, head } = driver.shard.keys;
    const others = async () => {
      const keys = (await engine.connection.call("KEYS", "*")) as readonly Buffer[];
      return keys
        .map(String)
        .filter((key) => !key.startsWith(entries))
        .sort();
    };
    const before = await others();
    expect(before).toContain(head);
    expect(before.length).toBeGreaterThan(4);
    await limitTo(ROOM_BYTES, "volatile-lru");
    for (let number = 0; number < SETS; number++) await driver.set(`k-${number}`, { value });
    const info = await engine.connection.text("INFO", "stats");
    expect(Number(/evicted_keys:(\d+)/.exec(info)?.[1])).toBeGreaterThan(0);
    expect(await others()).toEqual(before);
    expect(await driver.read(`k-${SETS - 1}`)).toBe(value);
    expect(await driver.read("tagged")).toBeUndefined();
  });
});
