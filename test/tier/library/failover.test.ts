/**
 * Real failovers of real engines: whatever became of the data, no process goes on with a shard whose last writer it was not,
 * nothing that it may have lost is read, and no revision is used twice.
 */
import { beforeAll, beforeEach, expect, it, vi } from "vitest";
import { readLibrary } from "../../../src/tier/library/source.ts";
import { describeEngines } from "../../support/engine/describe-engines.ts";
import type { EngineProcess } from "../../support/engine/engine-process.ts";
import { LibraryShard } from "../../support/engine/library-shard.ts";
import type { RespConnection } from "../../support/engine/resp-connection.ts";
import { EngineError } from "../../support/engine/resp-replies.ts";
import { ShardDriver } from "../../support/engine/shard-driver.ts";
import { loadLibrary, verify } from "../../support/engine/test-library.ts";
import { eventually } from "../../support/eventually.ts";

/** In the slots of the first of three primaries. */
const SHARD = 0;
const PRIMARIES = 3;
const CLAIM_STEP = 2 ** 20;

async function roleOf(connection: RespConnection): Promise<string> {
  const role = await connection.send("ROLE");
  return Array.isArray(role) ? String(role[0]) : "";
}

/** When the node takes writes. */
async function asPrimary(node: EngineProcess): Promise<RespConnection> {
  const connection = await node.connect();
  await eventually(async () => {
    expect(await roleOf(connection)).toBe("master");
    expect(await connection.text("CLUSTER", "INFO")).toContain("cluster_state:ok");
  });
  return connection;
}

async function hasReplica(connection: RespConnection): Promise<void> {
  await eventually(async () => {
    expect(await connection.text("INFO", "replication")).toContain("state=online");
  });
}

/** An engine gives up a failover by command after five seconds. */
async function failOverTo(node: EngineProcess): Promise<RespConnection> {
  await using asked = await node.connect();
  await failOver(asked);
  return asPrimary(node);
}

async function failOver(asked: RespConnection): Promise<void> {
  for (let isDone = false; !isDone; ) {
    await asked.send("CLUSTER", "FAILOVER");
    isDone = await vi
      .waitUntil(async () => (await roleOf(asked)) === "master", { timeout: 6_000 })
      .catch(() => false);
  }
}

/** A process that was started again has it from its primary, once that has sent everything. */
async function loadIfMissing(connection: RespConnection): Promise<void> {
  const libraries = await connection.call("FUNCTION", "LIST");
  if (!(Array.isArray(libraries) && libraries.length > 0)) await loadLibrary(connection, readLibrary());
}

const shardOf = (connection: RespConnection): ShardDriver =>
  ShardDriver.of(connection, new LibraryShard(connection, SHARD));

/** The node is another primary now, or another process: what a server does then. */
async function takeOver(connection: RespConnection): Promise<ShardDriver> {
  const driver = shardOf(connection);
  await loadIfMissing(connection);
  await verify(connection);
  await expect(driver.read("k")).rejects.toThrow(/^TENURE/);
  await expect(driver.set("k")).rejects.toThrow(/^TENURE/);
  expect(await driver.shard.claim()).toBe(true);
  return driver;
}

describeEngines(
  "a failover",
  (engine) => {
    let primary: EngineProcess;
    let replica: EngineProcess;
    let driver: ShardDriver;

    beforeAll(() => loadLibrary(engine.connection, readLibrary()));

    /** A failover has made the replica of the first shards their primary. */
    beforeEach(async () => {
      const [one, other] = [engine.cluster.nodes[0], engine.cluster.nodes[PRIMARIES]];
      if (one === undefined || other === undefined) throw new Error("the cluster has six nodes");
      await using ofOne = await one.connect();
      await using ofOther = await other.connect();
      // A process that was started again takes itself for primary until it hears of the failover.
      const roles = await eventually(async () => {
        const both = [await roleOf(ofOne), await roleOf(ofOther)];
        expect(both.toSorted()).toEqual(["master", "slave"]);
        return both;
      });
      [primary, replica] = roles[0] === "master" ? [one, other] : [other, one];
      driver = shardOf(await asPrimary(primary));
      await hasReplica(driver.connection);
      await loadIfMissing(driver.connection);
      await verify(driver.connection);
      await driver.shard.claim();
    });

    it("by command leaves the shard to be claimed, there and back", async () => {
      await driver.set("k");
      for (const next of [replica, primary]) {
        const before = await driver.shard.readHead();
        driver = await takeOver(await failOverTo(next));
        expect((await driver.shard.readHead())?.revision).toBe((before?.revision ?? 0) + CLAIM_STEP);
        expect(await driver.read("k")).toBeUndefined();
        expect(await driver.set("k")).toBe("stored");
        await hasReplica(driver.connection);
      }
    });

    it("there and back while nobody used the shard leaves it claimed anew, or as it was", async () => {
      await driver.set("k");
      await driver.connection.call("WAIT", 1, 5_000);
      const before = await driver.connection.call("GET", driver.shard.keys.head);
      await hasReplica(await failOverTo(replica));
      const back = shardOf(await failOverTo(primary));
      await verify(back.connection);
      const read = await back.read("k").catch((error: EngineError) => error.code);
      expect(["v", "TENURE"]).toContain(read);
      expect(await back.connection.call("GET", back.shard.keys.head)).toEqual(before);
    });

    it("there and back to a node that never had what the other wrote leaves the shard to be claimed", async () => {
      await driver.set("k");
      await driver.connection.call("WAIT", 1, 5_000);
      await using other = await replica.connect();
      // The former primary has no password for the next one.
      await other.call("CONFIG", "SET", "requirepass", "secret");
      await failOver(other);
      const next = shardOf(other);
      await verify(next.connection);
      await next.shard.claim();
      await next.set("k", { value: "new" });
      await replica.killed();
      await driver.connection.call("CLUSTER", "FAILOVER", "TAKEOVER");
      const back = await takeOver(await asPrimary(primary));
      expect(await back.read("k")).toBeUndefined();
      await replica.restart();
    });

    it("after a death with a suffix that was never replicated reuses no revision and shows nothing of before", async () => {
      const { connection } = driver;
      await driver.set("replicated");
      await connection.call("WAIT", 1, 5_000);
      // The link is cut and not made again: the replica has no password.
      await connection.call("CONFIG", "SET", "requirepass", "secret");
      await connection.call("CLIENT", "KILL", "TYPE", "REPLICA");
      for (let number = 0; number < 50; number++) await driver.set(`lost-${number}`);
      const lost = await driver.shard.readHead();
      await primary.killed();
      const next = await takeOver(await asPrimary(replica));
      const head = await next.shard.readHead();
      expect(head?.revision).toBeGreaterThan(lost?.revision ?? Infinity);
      expect(head?.epoch).not.toBe(lost?.epoch);
      expect(await next.read("replicated")).toBeUndefined();
      expect(await next.read("lost-0")).toBeUndefined();
      expect(await next.set("k")).toBe("stored");
      await primary.restart();
    });

    it("of a process that was stopped leaves nothing for it to answer when it wakes", async () => {
      await driver.set("k");
      await driver.connection.call("WAIT", 1, 5_000);
      await verify(driver.connection, 300);
      primary.signal("SIGSTOP");
      const asked = [
        ...Array.from({ length: 50 }, (_, index) => driver.set(`zombie-${index}`)),
        ...Array.from({ length: 50 }, () => driver.read("k")),
      ].map((call) =>
        call.then(
          () => "answered",
          (error: unknown) => error,
        ),
      );
      const next = await takeOver(await asPrimary(replica));
      expect(await next.set("k", { value: "new" })).toBe("stored");
      primary.signal("SIGCONT");
      const answers = await Promise.all(asked);
      expect(answers.filter((answer) => !(answer instanceof EngineError))).toEqual([]);
      expect(answers.map(String).filter((answer) => answer.includes("SUSPECT"))).not.toEqual([]);
      expect(await next.read("k")).toBe("new");
    });
  },
  { primaries: PRIMARIES, replicas: 1 },
);

describeEngines("a restart", (engine) => {
  it("from a snapshot of before is not taken for the process that wrote last", async () => {
    const { node } = engine;
    await loadLibrary(engine.connection, readLibrary());
    await verify(engine.connection);
    const driver = ShardDriver.of(engine.connection, new LibraryShard(engine.connection, SHARD));
    await driver.shard.claim();
    await driver.set("saved");
    await engine.connection.call("SAVE");
    await driver.set("lost");
    const lost = await driver.shard.readHead();
    await node.killed();
    await node.restart();
    const next = await takeOver(await asPrimary(node));
    expect(await next.read("saved")).toBeUndefined();
    expect((await next.shard.readHead())?.revision).toBeGreaterThan(lost?.revision ?? Infinity);
    await next.connection[Symbol.asyncDispose]();
  });
});
