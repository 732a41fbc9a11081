/** What servers and their clients see when a primary is cut off from other nodes, by links of a network that are cut as cables are. */
import { afterEach, describe, expect, it } from "vitest";
import { CacheService, type Stamp } from "../../gen/meshcache/v1/cache_pb.ts";
import { slotOfShard } from "../../src/tier/library/keys.ts";
import { EngineCluster } from "../support/engine/engine-cluster.ts";
import { ENGINES, type Engine, requireEngine } from "../support/engine/programs.ts";
import { requireTestNetwork, type TestHost, TestNetwork } from "../support/engine/test-network.ts";
import { eventually } from "../support/eventually.ts";
import { startTierServers, type TierServers } from "../support/tier-server.ts";
import { changedEpochs, historyOver } from "./faulty-history.ts";

const { method } = CacheService;
const namespace = "partitions";
const WRITERS = 16;
/** Three primaries have the slots in thirds. */
const SLOTS_OF_FIRST = Math.floor(16_384 / 3);

let network: TestNetwork;
let cluster: EngineCluster;
let servers: TierServers;
let lonely: TestHost;
let majority: TestHost;

afterEach(async () => {
  await servers.stop();
  await cluster[Symbol.asyncDispose]();
  network[Symbol.dispose]();
});

/** The first primary is on a host of its own, all other nodes are on a second one, the servers on a third. */
async function start(engine: Engine): Promise<void> {
  network = TestNetwork.open(2);
  const [first, second] = network.hosts;
  if (first === undefined || second === undefined) throw new Error("there are two hosts");
  [lonely, majority] = [first, second];
  cluster = await EngineCluster.start({
    engine,
    primaries: 3,
    replicas: 1,
    nodeTimeoutMs: 500,
    hosts: [lonely, ...Array<TestHost>(5).fill(majority)],
  });
  servers = await startTierServers(cluster.addresses, 2);
}

const epochs = () => servers.stores.map((store) => store.epoch);

interface Acknowledged {
  readonly key: string;
  readonly asOf: Stamp | undefined;
}

/** Writes entries, each under a key of its own, until it is stopped. */
class Writing {
  readonly acknowledged: Acknowledged[] = [];
  #stopped = false;
  readonly #writers = Array.from({ length: WRITERS }, (_, writer) => this.#write(writer));

  async #write(writer: number): Promise<void> {
    for (let count = 0; !this.#stopped; count++) {
      const key = `${writer}/${count}`;
      const entry = { namespace, key, value: Buffer.from(key) };
      const written = await servers
        .nextClient()
        .unary(method.set, entry)
        .catch(() => undefined);
      if (written !== undefined) this.acknowledged.push({ key, asOf: written.asOf });
    }
  }

  async stop(): Promise<void> {
    this.#stopped = true;
    await Promise.all(this.#writers);
  }
}

/** The acknowledged writes that are not there any more. Throws for one that no epoch has announced as lost. */
async function lostOf(acknowledged: readonly Acknowledged[]): Promise<Acknowledged[]> {
  const lost: Acknowledged[] = [];
  for (const written of acknowledged) {
    const { key, asOf } = written;
    const found = await servers.nextClient().unary(method.get, { namespace, key });
    if (found.outcome.case === "hit") continue;
    if (found.asOf?.epoch === asOf?.epoch) throw new Error(`${key} was lost, and the epoch does not say so`);
    lost.push(written);
  }
  return lost;
}

const isOfFirst = ({ asOf }: Acknowledged) => slotOfShard(asOf?.shard ?? 0) < SLOTS_OF_FIRST;

const networks = requireTestNetwork();
for (const engine of ENGINES) {
  describe.runIf(networks && requireEngine(engine))(`partitions, on ${engine}`, () => {
    it("a primary is cut off from all and comes back: no stale read, and what was lost is said by the epoch", async () => {
      await start(engine);
      const before = epochs();
      const writing = new Writing();
      const history = await historyOver(servers, async () => {
        network.cutOff(lonely);
        await changedEpochs(servers, before);
        network.healed(lonely);
      });
      await writing.stop();
      expect(history.faults).toEqual([]);
      expect(await lostOf(writing.acknowledged)).not.toEqual([]);
    });

    it("a primary is cut off from the other nodes alone: what it still acknowledges is lost, and the epoch says so", async () => {
      await start(engine);
      const before = epochs();
      const writing = new Writing();
      let beforeCut = 0;
      const history = await historyOver(servers, async () => {
        network.cutBetween(lonely, majority);
        beforeCut = writing.acknowledged.length;
        await changedEpochs(servers, before);
        network.healedBetween(lonely, majority);
      });
      await writing.stop();
      expect(history.faults).toEqual([]);
      const doomed = writing.acknowledged
        .slice(beforeCut)
        .filter((written) => isOfFirst(written) && written.asOf?.epoch === before[0]);
      expect(doomed).not.toEqual([]);
      expect(await lostOf(doomed)).toEqual(doomed);
      await lostOf(writing.acknowledged);
    });

    it("a primary is cut off for a moment: what is lost, if anything, is said by the epoch", async () => {
      await start(engine);
      const writing = new Writing();
      const history = await historyOver(servers, async () => {
        network.cutOff(lonely);
        const { length } = writing.acknowledged;
        await eventually(() => expect(writing.acknowledged.length).toBeGreaterThan(length));
        network.healed(lonely);
      });
      await writing.stop();
      expect(history.faults).toEqual([]);
      await lostOf(writing.acknowledged);
    });
  });
}
