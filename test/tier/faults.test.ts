/** What servers and their clients see when nodes of a real engine die, stop, restart or lose their keys. */
import { afterEach, describe, expect, it } from "vitest";
import { CacheService, Gap_Reason, type StreamResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import { slotOfShard } from "../../src/tier/library/keys.ts";
import { EngineCluster } from "../support/engine/engine-cluster.ts";
import type { EngineProcess } from "../support/engine/engine-process.ts";
import { ENGINES, type Engine, requireEngine } from "../support/engine/programs.ts";
import { startTierServers, type TierServers } from "../support/tier-server.ts";
import { changedEpochs, historyOver } from "./faulty-history.ts";

const { method } = CacheService;
const namespace = "n";

let cluster: EngineCluster;
let servers: TierServers;

afterEach(async () => {
  await servers.stop();
  await cluster[Symbol.asyncDispose]();
});

async function start(engine: Engine, replicas: number): Promise<void> {
  cluster = await EngineCluster.start({ engine, primaries: 3, replicas, nodeTimeoutMs: 500 });
  servers = await startTierServers(cluster.addresses, 2);
}

function nodeAt(index: number): EngineProcess {
  const node = cluster.nodes[index];
  if (node === undefined) throw new Error("the cluster has no such node");
  return node;
}

/** As many as take a moment. */
const SHARDS_OF_FIRST_NODE = [0, 3, 7, 12];
const KEYS_A_TIME = 50;

/** As redis-cli does it. */
async function moveSlot(slot: number, from: EngineProcess, to: EngineProcess): Promise<void> {
  await using source = await from.connect();
  await using target = await to.connect();
  const [sourceId, targetId] = [await source.text("CLUSTER", "MYID"), await target.text("CLUSTER", "MYID")];
  await target.call("CLUSTER", "SETSLOT", slot, "IMPORTING", sourceId);
  await source.call("CLUSTER", "SETSLOT", slot, "MIGRATING", targetId);
  for (;;) {
    const keys = await source.call("CLUSTER", "GETKEYSINSLOT", slot, KEYS_A_TIME);
    if (!Array.isArray(keys) || keys.length === 0) break;
    await source.call("MIGRATE", "127.0.0.1", to.port, "", 0, 5_000, "KEYS", ...keys);
  }
  await target.call("CLUSTER", "SETSLOT", slot, "NODE", targetId);
  await source.call("CLUSTER", "SETSLOT", slot, "NODE", targetId);
}

const epochs = () => servers.stores.map((store) => store.epoch);

for (const engine of ENGINES) {
  describe.runIf(requireEngine(engine))(`faults of the engine, on ${engine}`, () => {
    it("a primary is killed and its replica elected: no stale read, no revision twice, one epoch for all servers", async () => {
      await start(engine, 1);
      const before = epochs();
      const history = await historyOver(servers, async () => {
        nodeAt(0).kill();
        await changedEpochs(servers, before);
      });
      expect(history.faults).toEqual([]);
    });

    it("a primary is stopped past the election and wakes up: it answers nothing of what waited", async () => {
      await start(engine, 1);
      const before = epochs();
      const history = await historyOver(servers, async () => {
        nodeAt(0).signal("SIGSTOP");
        await changedEpochs(servers, before);
        nodeAt(0).signal("SIGCONT");
      });
      expect(history.faults).toEqual([]);
    });

    it("a primary without replicas restarts empty: its shards begin again", async () => {
      await start(engine, 0);
      const before = epochs();
      const history = await historyOver(servers, async () => {
        await nodeAt(1).killed();
        await nodeAt(1).restart();
        await changedEpochs(servers, before);
      });
      expect(history.faults).toEqual([]);
    });

    it("a primary loses all its keys: its shards begin again, and subscribers get one gap", async () => {
      await start(engine, 0);
      const before = epochs();
      const frames: StreamResponse["frame"][] = [];
      const stream = servers.nextClient().serverStream(method.stream, { namespace });
      stream.on("error", () => {});
      stream.on("data", ({ frame }: StreamResponse) => frames.push(frame));
      const history = await historyOver(servers, async () => {
        await using connection = await nodeAt(2).connect();
        await connection.call("FLUSHALL");
        await changedEpochs(servers, before);
      });
      stream.cancel();
      expect(history.faults).toEqual([]);
      const gaps = frames.flatMap((frame) => (frame.case === "gap" ? [frame.value.reason] : []));
      expect(gaps).toEqual([Gap_Reason.EPOCH_CHANGED]);
    });

    it("shards move to another node under load: they begin again there", async () => {
      await start(engine, 0);
      const before = epochs();
      const history = await historyOver(servers, async () => {
        for (const shard of SHARDS_OF_FIRST_NODE) await moveSlot(slotOfShard(shard), nodeAt(0), nodeAt(1));
        await changedEpochs(servers, before);
      });
      expect(history.faults).toEqual([]);
    });

    it("the function library is loaded again: nothing is lost", async () => {
      await start(engine, 0);
      const before = epochs();
      const history = await historyOver(servers, async () => {
        for (const node of cluster.nodes) {
          await using connection = await node.connect();
          await connection.call("FUNCTION", "DELETE", "meshcache");
        }
      });
      expect(history.faults).toEqual([]);
      expect(epochs()).toEqual(before);
    });
  });
}
