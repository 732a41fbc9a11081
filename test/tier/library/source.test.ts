/** The library as a whole: what servers load, and what a test alone has. */
import { beforeAll, expect, it } from "vitest";
import type { InvalidateCommand } from "../../../src/store/api/store.ts";
import {
  invalidateKeysOperation,
  invalidateTagsOperation,
  sweepOperation,
} from "../../../src/tier/library/operations.ts";
import { LIBRARY_NAME, LIBRARY_VERSION, readLibrary } from "../../../src/tier/library/source.ts";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import { LibraryShard } from "../../support/engine/library-shard.ts";
import { ShardDriver } from "../../support/engine/shard-driver.ts";
import { loadLibrary, manualLibrary, verify } from "../../support/engine/test-library.ts";

const FUNCTIONS = ["mc_beat", "mc_claim", "mc_free", "mc_read", "mc_run", "mc_verify"];
const OPERATIONS_MAX = 128;
const COMMAND: InvalidateCommand = {
  namespace: "n",
  target: { kind: "all" },
  soft: false,
  sourceVersion: 0n,
  writer: { origin: "", traceparent: "" },
};

describeEngines("the library that servers load", (engine) => {
  beforeAll(() => loadLibrary(engine.connection, readLibrary()));

  it("has these functions and no others", async () => {
    const list = await engine.connection.call("FUNCTION", "LIST");
    const text = JSON.stringify(list, (_, value) =>
      value?.type === "Buffer" ? Buffer.from(value.data).toString() : value,
    );
    expect(text).toContain(`"${LIBRARY_NAME}"`);
    expect([...new Set(text.match(/mc_[a-z_]+/g))].sort()).toEqual(FUNCTIONS);
  });

  it("says its version and the time of the engine, and is suspect until it is verified", async () => {
    const beat = await engine.connection.call("FCALL_RO", "mc_beat", 0);
    if (!Array.isArray(beat)) throw new Error("a beat is a list");
    expect(beat[0]).toBe(LIBRARY_VERSION);
    expect(Number(beat[1])).toBeGreaterThan(1_700_000_000_000);
    expect(beat[3]).toBe(1);
  });

  it("takes the time of the engine for what it answers and stores", async () => {
    const shard = new LibraryShard(engine.connection, 3);
    await verify(engine.connection);
    await shard.claim();
    const get = await shard.get(
      { namespace: "n", key: "k", ifVersion: 0, ifEpoch: 0n, allowStale: false },
      true,
    );
    expect(get.kind).toBe("miss");
    const [seconds] = (await engine.connection.call("TIME")) as readonly Buffer[];
    expect(Math.abs(shard.nowMs - Number(seconds) * 1_000)).toBeLessThan(60_000);
  });
});

describeEngines("calls of the library", (engine) => {
  let driver: ShardDriver;
  beforeAll(async () => {
    await loadLibrary(engine.connection, manualLibrary());
    driver = await ShardDriver.empty(engine.connection);
  });

  it("take a bounded number of operations", async () => {
    const one = sweepOperation([]);
    const most = Array.from({ length: OPERATIONS_MAX }, () => one);
    expect(await driver.shard.run(most)).toHaveLength(OPERATIONS_MAX);
    await expect(driver.shard.run([...most, one])).rejects.toThrow(/^LIMIT/);
    expect(await driver.shard.run([], true)).toEqual([]);
    expect(driver.shard.epoch).toBe((await driver.shard.readHead())?.epoch);
  });

  it.each([
    ["keys", 1_024, (names: readonly string[]) => invalidateKeysOperation(COMMAND, names)],
    ["tags", 4_096, (names: readonly string[]) => invalidateTagsOperation(COMMAND, names)],
    [
      "entries to sweep",
      64,
      (names: readonly string[]) => sweepOperation(names.map((key) => ({ namespace: "n", key }))),
    ],
  ])("take a bounded number of %s in one operation, and run nothing beyond", async (_, most, operationOf) => {
    const names = Array.from({ length: most }, (__, index) => `${index}`);
    expect(await driver.shard.run([operationOf(names)])).toHaveLength(1);
    const before = await driver.shard.readHead();
    await expect(driver.shard.run([operationOf([...names, "more"])])).rejects.toThrow(/^LIMIT/);
    expect(await driver.shard.readHead()).toEqual(before);
  });

  it("run nothing when an operation is none, or is none of the function", async () => {
    await expect(driver.shard.run([Buffer.from([99])])).rejects.toThrow(/^CALL/);
    await expect(driver.shard.run([sweepOperation([])], true)).rejects.toThrow(/^CALL/);
  });
});
