/** A tier in virtual time: servers and near caches over the modelled engine. Nothing fails in it unless a test says so. */

import { type ClientNode, createClientNode } from "../simulation/client-node.ts";
import { createHistory, type History } from "../simulation/history.ts";
import { createNetwork, type Network } from "../simulation/network.ts";
import { type Plan, rngFor } from "../simulation/plan.ts";
import { type ClusterSettings, EngineModel } from "../simulation/tier/engine-cluster.ts";
import type { EngineNode } from "../simulation/tier/engine-node.ts";
import { TierJudge } from "../simulation/tier/tier-judge.ts";
import { createTierPlan } from "../simulation/tier/tier-plan.ts";
import { TierServer } from "../simulation/tier/tier-server.ts";
import { createVirtualTime, type VirtualTime } from "../simulation/virtual-time.ts";
import { allKeys } from "../simulation/workload.ts";

const SEED = 1;
const SERVERS = 2;
const OPERATION_MAX_MS = 1_000;
const START_MAX_MS = 3_000;
const SETTLE_MAX_MS = 10_000;

export interface VirtualTierOptions {
  readonly nodeTimeoutMs?: number;
  /** How long the first server waits for the engine; the second waits for a second. */
  readonly patienceMs?: number;
  /** A node that has no majority finds out as late as it may. */
  readonly isLateToNotice?: boolean;
  /** Until a node knows the outcome of an election. */
  readonly newsMs?: number;
}

const { plan: anyPlan, cluster: anyCluster } = createTierPlan(SEED);

const plan: Plan = {
  ...anyPlan,
  ...{ latencyMs: 1, jitterMs: 0, turnMs: 0, readsTogether: 0, encodes: false },
  ...{ leaseMs: 5_000, pingMs: 500, silenceMaxMs: 20_000, deadlineMs: 2_000, revalidateJitterMs: 0 },
  ...{ ttlMs: 0, staleMs: 0, outageTtlMs: 0, opensLate: true, churnMs: 0, selectorsMax: 64 },
  ...{ logMaxEvents: 1_024, frameMaxEvents: 512, highWaterFrames: 64, queuedInvalidationsMaxNames: 16 },
};

export class VirtualTier {
  readonly time: VirtualTime = createVirtualTime();
  readonly history: History = createHistory(this.time.nowMs);
  readonly network: Network = createNetwork(this.time, rngFor(SEED, 1), plan, () => undefined);
  readonly engine: EngineModel;
  readonly servers: readonly [TierServer, TierServer];
  readonly #judge: TierJudge;
  #clients = 0;

  static async start(options: VirtualTierOptions = {}): Promise<VirtualTier> {
    const tier = new VirtualTier(options);
    await tier.run(START_MAX_MS, () => tier.network.servers.size === SERVERS);
    for (const server of tier.servers) {
      const problem = server.problem();
      if (problem !== undefined) throw new Error(`${server.name}: ${problem}`);
    }
    return tier;
  }

  private constructor(options: VirtualTierOptions) {
    const { nodeTimeoutMs = 1_000, patienceMs = OPERATION_MAX_MS, isLateToNotice = false, newsMs } = options;
    const { time, history, network } = this;
    const wires = { latencyMs: 1, jitterMs: 0, lagMs: 0, pushesFirst: true };
    const cluster: ClusterSettings = {
      ...{ ...anyCluster, ...wires, shards: 3, nodeTimeoutMs, lateNotice: isLateToNotice ? 1 : 0 },
      newsMs: newsMs === undefined ? [1, 40] : [newsMs, newsMs],
    };
    this.#judge = new TierJudge(allKeys, cluster.shards, cluster.seed, history, time.nowMs);
    this.engine = new EngineModel(time, rngFor(SEED, 2), history, cluster, this.#judge);
    this.#judge.elections = this.engine.elections;
    const { engine } = this;
    const deps = { time, rng: rngFor(SEED, 3), plan, network, engine, history, judge: this.#judge };
    const server = (name: string, operationMaxMs: number) =>
      new TierServer(name, `${name}:1`, { ...deps, shards: cluster.shards, operationMaxMs });
    this.servers = [server("s1", patienceMs), server("s2", OPERATION_MAX_MS)];
  }

  get nowMs(): number {
    return this.time.nowMs();
  }

  /** Of the first server it can reach. It has a near cache from the first use of its entries on. */
  client(server: TierServer): ClientNode {
    this.#clients += 1;
    const others = this.servers.filter((one) => one !== server);
    const addresses = [server, ...others].map(({ address }) => address);
    const name = `c${this.#clients}`;
    const rng = rngFor(SEED, 10 + this.#clients);
    return createClientNode(name, this.time, rng, plan, this.network, () => undefined, addresses);
  }

  /** So often nodes have told the server of their epoch. */
  votesFor({ name }: TierServer): number {
    return this.#judge.votes.filter(({ server }) => server === name).length;
  }

  /** The primary that has the key, as most nodes see it. */
  nodeOf(key: string): EngineNode {
    return this.engine.primaryOf(this.#judge.judgeOf(key).shard);
  }

  /** Ends the connections of the server to the node. It may connect again. */
  cut({ name }: TierServer, node: EngineNode): void {
    for (const peer of [...node.peers]) if (peer.server === name) peer.reset();
  }

  async run(forMs: number, done?: () => boolean): Promise<void> {
    await this.time.run(this.nowMs + forMs, done);
  }

  /** What becomes of it. Throws when nothing does. */
  async settled<Value>(promise: Promise<Value>, withinMs = SETTLE_MAX_MS): Promise<Value> {
    let isSettled = false;
    const settle = (): void => {
      isSettled = true;
    };
    promise.then(settle, settle);
    await this.run(withinMs, () => isSettled);
    if (!isSettled) throw new Error(`nothing has settled it for ${withinMs} ms`);
    return promise;
  }
}
