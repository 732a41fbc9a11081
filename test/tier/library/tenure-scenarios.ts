/** A process goes on with a shard only while nothing else has written its head, and while it was not stopped for long. */
import { expect } from "vitest";
import { callHeader, getOperation } from "../../../src/tier/library/operations.ts";
import { LIBRARY_VERSION } from "../../../src/tier/library/source.ts";
import { LibraryShard } from "../../support/engine/library-shard.ts";
import { loadLibrary, setTime, verify } from "../../support/engine/test-library.ts";
import type { Scenarios } from "./scenario.ts";

const CLAIM_STEP = 2 ** 20;
const PAUSE_LIMIT_MS = 500;

export const tenureScenarios: Scenarios = {
  "is by the first claim, and no second server claims the same shard again": async ({ driver }) => {
    expect(await driver.set("k")).toBe("stored");
    expect(await driver.shard.claim()).toBe(false);
    expect(await driver.read("k")).toBe("v");
  },

  "is asked for before anything is there": async ({ connection }) => {
    const other = new LibraryShard(connection, 1);
    await expect(
      other.get({ namespace: "n", key: "k", ifVersion: 0, ifEpoch: 0n, allowStale: false }),
    ).rejects.toThrow(/^TENURE/);
  },

  "ends when the data is gone": async ({ connection, driver }) => {
    await driver.set("k");
    await connection.call("FLUSHALL");
    await expect(driver.get("k")).rejects.toThrow(/^TENURE/);
    await expect(driver.set("k")).rejects.toThrow(/^TENURE/);
    expect(await driver.shard.claim()).toBe(true);
    expect(await driver.read("k")).toBeUndefined();
  },

  "ends when the head alone is gone, and what it leaves is older than all that comes": async ({
    driver,
    connection,
  }) => {
    await driver.set("left");
    const before = await driver.shard.readHead();
    await connection.call("DEL", driver.shard.keys.head);
    // At once, and after another life in between.
    for (const life of ["first", "second"]) {
      await driver.advance(1);
      await expect(driver.read("left")).rejects.toThrow(/^TENURE/);
      expect(await driver.shard.claim()).toBe(true);
      expect((await driver.shard.readHead())?.revision).toBeGreaterThan(before?.revision ?? Infinity);
      expect(await driver.read("left")).toBeUndefined();
      await driver.set(life);
      await connection.call("DEL", driver.shard.keys.head);
    }
    await driver.advance(1);
    await driver.shard.claim();
    expect(await driver.read("first")).toBeUndefined();
    expect(await driver.read("second")).toBeUndefined();
  },

  "ends when the head is one of before, and a claim makes all older entries dead and reuses no revision":
    async ({ connection, driver }) => {
      await driver.set("old");
      const before = await connection.call("GET", driver.shard.keys.head);
      if (!(before instanceof Buffer)) throw new Error("there is a head");
      await driver.set("lost");
      const lost = await driver.shard.readHead();
      await connection.call("SET", driver.shard.keys.head, before);
      await expect(driver.read("old")).rejects.toThrow(/^TENURE/);
      expect(await driver.shard.claim()).toBe(true);
      const head = await driver.shard.readHead();
      expect(head?.revision).toBe((lost?.revision ?? 0) - 1 + CLAIM_STEP);
      expect(head?.epoch).not.toBe(lost?.epoch);
      expect(await driver.read("old")).toBeUndefined();
      expect(await driver.read("lost")).toBeUndefined();
      expect(await driver.set("new")).toBe("stored");
      expect(await driver.read("new")).toBe("v");
    },

  "begins again without request ids: what was sent before is refused when it is sent again": async ({
    connection,
    driver,
  }) => {
    const firstEpoch = (await driver.shard.readHead())?.epoch ?? 0n;
    const again = { requestId: 7n, firstEpoch };
    expect(await driver.increment("counter", 1n, { requestId: 7n })).toBe(1n);
    expect(await driver.set("k", { requestId: 7n })).toBe("stored");
    expect(await driver.increment("counter", 1n, again)).toBe(1n);
    expect(await driver.set("k", again)).toBe("stored");
    await connection.call("DEL", driver.shard.keys.head);
    await driver.advance(1);
    await driver.shard.claim();
    await expect(driver.increment("counter", 1n, again)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    await expect(driver.set("k", again)).rejects.toMatchObject({ reason: "UNAVAILABLE" });
    expect(await driver.read("k")).toBeUndefined();
    expect(await driver.increment("counter", 1n, { requestId: 8n })).toBe(1n);
  },

  "is not claimed by who saw another head than there is": async ({ connection, driver }) => {
    await driver.set("k");
    await connection.call("FLUSHALL");
    const { head, stream } = driver.shard.keys;
    const header = callHeader(Buffer.alloc(4), 1);
    const claim = await connection.call(
      "FCALL",
      "mc_claim",
      2,
      head,
      stream,
      header,
      "other",
      Buffer.alloc(8),
    );
    expect(claim).toEqual([Buffer.alloc(0), 0]);
  },

  "goes on with the same process when the library is loaded again, once the node is verified": async ({
    connection,
    driver,
    library,
  }) => {
    await driver.set("k");
    await loadLibrary(connection, library);
    await setTime(connection, driver.nowMs);
    await expect(driver.read("k")).rejects.toThrow(/^SUSPECT/);
    await verify(connection);
    expect(await driver.read("k")).toBe("v");
  },

  "does not go on after a reload when another node wrote the head": async ({
    connection,
    driver,
    library,
  }) => {
    const head = await connection.call("GET", driver.shard.keys.head);
    if (!(head instanceof Buffer)) throw new Error("there is a head");
    head.write("0".repeat(40), 9, "latin1");
    await connection.call("SET", driver.shard.keys.head, head);
    await loadLibrary(connection, library);
    await setTime(connection, driver.nowMs);
    await verify(connection);
    await expect(driver.read("k")).rejects.toThrow(/^TENURE/);
  },

  "ends when a part that the shard must have is gone": async ({ connection, driver }) => {
    await driver.set("k", { tags: ["t"] });
    await driver.invalidateTags("t");
    await connection.call("DEL", driver.shard.keys.head.replace(/m$/, "n"));
    await expect(driver.read("k")).rejects.toThrow(/^TENURE/);
    await expect(driver.read("k")).rejects.toThrow(/^TENURE/);
    expect(await driver.shard.claim()).toBe(true);
    expect(await driver.read("k")).toBeUndefined();
  },

  "is of one layout": async ({ connection, driver }) => {
    const { head, stream } = driver.shard.keys;
    const header = callHeader(Buffer.alloc(4), 1);
    const get = getOperation({ namespace: "n", key: "k" }, false);
    await expect(connection.call("FCALL", "mc_run", 2, head, stream, header, get)).rejects.toThrow(/^LAYOUT/);
  },

  "suspects a process that ran nothing for longer than the limit, until it is verified again": async ({
    connection,
    driver,
  }) => {
    await driver.set("k");
    await verify(connection, PAUSE_LIMIT_MS);
    await driver.advance(PAUSE_LIMIT_MS);
    expect(await driver.read("k")).toBe("v");
    await driver.advance(PAUSE_LIMIT_MS + 1);
    const beat = await connection.call("FCALL", "mc_beat", 0);
    if (!Array.isArray(beat)) throw new Error("a beat is a list");
    const [version, nowMs, pause, suspect] = beat.map(Number);
    expect([version, nowMs, suspect]).toEqual([LIBRARY_VERSION, driver.nowMs, 1]);
    await expect(driver.read("k")).rejects.toThrow(`SUSPECT ${pause}`);
    await expect(driver.set("k")).rejects.toThrow(/^SUSPECT/);
    await expect(driver.shard.claim()).rejects.toThrow(/^SUSPECT/);
    await verify(connection);
    expect(await driver.read("k")).toBe("v");
  },

  "takes no verification from before the latest pause": async ({ connection, driver }) => {
    await verify(connection, PAUSE_LIMIT_MS);
    await driver.advance(PAUSE_LIMIT_MS + 1);
    const beat = await connection.call("FCALL", "mc_beat", 0);
    const pause = Array.isArray(beat) ? Number(beat[2]) : 0;
    await driver.advance(PAUSE_LIMIT_MS + 1);
    await connection.call("FCALL", "mc_verify", 0, pause, 0);
    await expect(driver.read("k")).rejects.toThrow(`SUSPECT ${pause + 1}`);
    await verify(connection);
    expect(await driver.read("k")).toBeUndefined();
  },
};
