/**
 * Runs one seed on the shared tier: several servers with the real backend over a modelled engine, under whole clients with near
 * caches. The real function library runs in the model. The judges are those of the other simulation.
 */

import { checkRegisters } from "../check-registers.ts";
import { type ClientLife, createClientNode } from "../client-node.ts";
import { ClientPrograms } from "../client-programs.ts";
import { examine } from "../exam.ts";
import { scheduleFaults } from "../faults.ts";
import { describeFrame } from "../frames.ts";
import { createHistory, type Moment } from "../history.ts";
import { createJudge } from "../judge.ts";
import { createListJudge } from "../list-judge.ts";
import { createLoadJudge } from "../load-judge.ts";
import { createNetwork } from "../network.ts";
import { createOperations } from "../operations.ts";
import { createOrigin } from "../origin.ts";
import { rngFor } from "../plan.ts";
import { createQueueJudge } from "../queue-judge.ts";
import type { SeedReport } from "../simulation.ts";
import { createVirtualTime } from "../virtual-time.ts";
import { allKeys, createWorkload, originKeys, tagsOf, VERSIONED_KEY } from "../workload.ts";
import { EngineModel } from "./engine-cluster.ts";
import { TierFaults } from "./tier-faults.ts";
import { TierJudge } from "./tier-judge.ts";
import { createTierPlan, type TierPlan } from "./tier-plan.ts";
import { TierServer } from "./tier-server.ts";

const NEVER: Moment = { order: -1, atMs: 0 };
const START_MAX_MS = 3_000;
/** After healing: an election, and what clients wait until they try again. */
const RECOVER_MS = 3_000;
const CONFIRM_MAX_MS = 500;
const SETTLE_MAX_MS = 20_000;

/** Until servers and clients have ended all connections that give no answer. */
function silenceMaxMs({ servers, plan }: TierPlan): number {
  const ofServers = servers.map(({ operationMaxMs }) => 1.25 * operationMaxMs);
  return Math.max(...ofServers, 1.5 * plan.silenceMaxMs);
}

export async function runTierSeed(seed: number): Promise<SeedReport> {
  const tier = createTierPlan(seed);
  const { plan, cluster } = tier;
  const time = createVirtualTime();
  const history = createHistory(time.nowMs);
  const judgeOfTier = new TierJudge(allKeys, cluster.shards, cluster.seed, history, time.nowMs);
  const { truth, tap, shards } = judgeOfTier;
  const lives = new Map<string, ClientLife>();
  const judge = createJudge(history, truth, (reader) => {
    const life = lives.get(reader);
    return life !== undefined && network.hasCaughtUp(life.process);
  });
  const operations = createOperations();
  const origin = createOrigin(rngFor(seed, 41));
  const hasOverflowed = (): boolean =>
    [...lives.values()].some(({ cache }) => cache.stats().invalidations.overflows > 0);
  /** A claim leaves no source versions behind. */
  const versionsLost = (): Moment =>
    hasOverflowed()
      ? { order: Number.POSITIVE_INFINITY, atMs: time.nowMs() }
      : (judgeOfTier.judgeOf(VERSIONED_KEY).begins.slice(1).at(-1) ?? NEVER);
  /** A shard that begins again begins with nothing, and never with a state from before. */
  const undone = (): Moment => NEVER;
  const loadJudge = createLoadJudge(history, operations, versionsLost, undone, VERSIONED_KEY);
  const listJudge = createListJudge(history, truth);
  const isOrigin = (key: string): boolean => originKeys.some((one) => one === key);
  const queueJudge = createQueueJudge(
    history,
    truth,
    (key, observed) => {
      if (isOrigin(key)) return tagsOf(key);
      return observed.kind === "value" ? (tap.sets.get(observed.value)?.command.tags ?? []) : [];
    },
    shards.map((shard) => shard.truth),
  );
  const workload = createWorkload({
    ...{ plan, rng: rngFor(seed, 42), history, truth, tap, judge, loadJudge, listJudge, queueJudge },
    ...{ origin, operations },
  });
  const network = createNetwork(time, rngFor(seed, 43), plan, (client, frame) => {
    history.note(client.name, `receives ${describeFrame(frame)}`);
    judge.received(client.name, frame);
  });
  const engine = new EngineModel(time, rngFor(seed, 44), history, cluster, judgeOfTier);
  judgeOfTier.elections = engine.elections;
  const rngOfServers = rngFor(seed, 45);
  const deps = {
    time,
    rng: rngOfServers,
    plan,
    network,
    engine,
    history,
    judge: judgeOfTier,
    shards: cluster.shards,
  };
  const servers = tier.servers.map(
    ({ operationMaxMs }, index) =>
      new TierServer(`s${index + 1}`, `s${index + 1}:1`, { ...deps, operationMaxMs }),
  );

  const programs = new ClientPrograms(plan.programs, workload, history);
  const born = (life: ClientLife): void => {
    lives.set(life.name, life);
    programs.begin(life);
  };
  process.on("unhandledRejection", programs.rejected);
  let gaps = 0;
  let retries = 0;
  try {
    await time.run(START_MAX_MS, () => network.servers.size === servers.length);
    if (network.servers.size < servers.length) history.violate("liveness", "the servers do not start");
    const rng = rngFor(seed, 46);
    const addresses = servers.map(({ address }) => address);
    const clients = Array.from({ length: plan.clients }, (_, index) => {
      const turned = addresses.map((_, at) => addresses[(at + index) % addresses.length] ?? "");
      return createClientNode(`c${index + 1}`, time, rng, plan, network, born, turned);
    });
    const none = {} as Parameters<typeof scheduleFaults>[5];
    const faults = scheduleFaults(time, rngFor(seed, 47), plan, history, network, none, clients);
    const rngOfFaults = rngFor(seed, 48);
    const tierFaults = new TierFaults({ time, rng: rngOfFaults, history, network, engine, servers, tier });

    await time.run(plan.workMs);
    programs.stop();
    faults.heal();
    tierFaults.heal();
    const busy = (): boolean => clients.some(({ life }) => programs.isBusy(life));
    await time.run(plan.workMs + SETTLE_MAX_MS, () => !busy());
    if (busy()) history.violate("liveness", `operations hang ${SETTLE_MAX_MS} ms after all was healed`);
    history.note("world", "is quiet");
    await time.run(time.nowMs() + RECOVER_MS + silenceMaxMs(tier));
    // A sweep may ask a node that nobody has asked since an election; the node is then confirmed anew.
    await time.run(time.nowMs() + CONFIRM_MAX_MS, () => servers.every((one) => one.problem() === undefined));
    for (const server of servers) {
      const problem = server.problem();
      if (problem !== undefined) history.violate("liveness", `${server.name} does not serve: ${problem}`);
    }
    queueJudge.examine(clients.map(({ life }) => life.name));
    const examined = clients.map(({ life }) => life);
    await examine({
      ...{ time, history, truth, origin, workload, operations, versionsLost, undone },
      clients: examined,
    });
    for (const { cache } of examined) {
      const { connection } = cache.stats();
      gaps += connection.gaps;
      retries += connection.retries;
    }
    for (const { cache } of examined) void cache.close({ graceMs: 0 });
    await time.run(time.nowMs() + 100);
  } finally {
    process.off("unhandledRejection", programs.rejected);
  }

  // The model of a key knows no operation with two effects.
  const once = shards.filter(({ repeats }) => repeats === 0);
  const registers = once.map((shard) =>
    checkRegisters(history, shard.truth, operations.all, shard.tap, shard.begins, true),
  );
  const [first] = history.violations;
  return {
    seed,
    hash: history.hash(),
    violations: history.violations,
    counts: {
      nearReads: judge.judged.near,
      remoteReads: judge.judged.remote,
      originReads: loadJudge.judged,
      registerOperations: registers.reduce((sum, one) => sum + one.operations, 0),
      undecided: registers.reduce((sum, one) => sum + one.undecided, 0),
      increments: operations.all.filter((one) => one.kind === "increment" && one.answer !== undefined).length,
      listings: listJudge.judged,
      // Lives of shards beyond their first.
      restarts: judgeOfTier.lives - shards.length,
      continued: 0,
      // Elections.
      forks: engine.elections.length,
      gaps,
      retries,
      queued: queueJudge.judged,
      tasks: time.tasksRun,
    },
    trace: (before, after) => history.trace(first?.order ?? history.length, before, after),
  };
}
