/**
 * Runs one seed: builds server, network and clients, runs the workload with faults, heals all, and reports
 * violations.
 */
import { checkRegisters } from "./check-registers.ts";
import { type ClientLife, createClientNode } from "./client-node.ts";
import { ClientPrograms } from "./client-programs.ts";
import { examine } from "./exam.ts";
import { scheduleFaults } from "./faults.ts";
import { describeFrame } from "./frames.ts";
import { createHistory, type History, type Moment, type Violation } from "./history.ts";
import { createJudge } from "./judge.ts";
import { createListJudge } from "./list-judge.ts";
import { createLoadJudge } from "./load-judge.ts";
import { createNetwork } from "./network.ts";
import { createOperations } from "./operations.ts";
import { createOrigin } from "./origin.ts";
import { createPlan, rngFor } from "./plan.ts";
import { createQueueJudge } from "./queue-judge.ts";
import { createServerNode } from "./server-node.ts";
import { createTap, type Tap } from "./tapped-store.ts";
import { createTruth, type Truth } from "./truth.ts";
import { runTwoStores, type TwoStoresReport } from "./two-stores.ts";
import { createVirtualTime } from "./virtual-time.ts";
import { allKeys, createWorkload, originKeys, tagsOf, VERSIONED_KEY } from "./workload.ts";

export interface SeedReport {
  readonly seed: number;
  readonly hash: string;
  readonly violations: readonly Violation[];
  /** How much was checked. A run that checked nothing proves nothing. */
  readonly counts: {
    readonly nearReads: number;
    readonly remoteReads: number;
    readonly originReads: number;
    readonly registerOperations: number;
    readonly undecided: number;
    /** Increments that were answered. */
    readonly increments: number;
    /** Listings that came to their end. */
    readonly listings: number;
    readonly restarts: number;
    /** Restarts that went on with what was there. */
    readonly continued: number;
    /** Restarts with a state from before. */
    readonly forks: number;
    readonly gaps: number;
    /** Operations that clients sent again. */
    readonly retries: number;
    /** Invalidations whose callers were told that they are queued. */
    readonly queued: number;
    readonly tasks: number;
  };
  /** Lines around the first violation, or the last ones. */
  trace(before: number, after: number): string[];
}

/** How long after the last fault and the last operation every client must have recovered. */
const CONVERGE_MS = 2_000;
/** After healing, no operation may take longer, including retries and waits for the lease of a crashed holder. */
const SETTLE_MAX_MS = 20_000;

export async function runSeed(seed: number): Promise<SeedReport> {
  const plan = createPlan(seed);
  if (plan.twoStores) return reportOf(seed, await runTwoStores(plan));
  const time = createVirtualTime();
  const history = createHistory(time.nowMs);
  const truth = createTruth(allKeys);
  const tap = createTap(history, truth);
  const lives = new Map<string, ClientLife>();
  const judge = createJudge(history, truth, (reader) => {
    const life = lives.get(reader);
    return life !== undefined && network.hasCaughtUp(life.process);
  });
  const operations = createOperations();
  const origin = createOrigin(rngFor(seed, 1));
  const starts: Starts = { restarts: [], forks: [], continued: 0 };
  const { restarts, forks } = starts;
  const undone = (): Moment => forks.at(-1) ?? { order: -1, atMs: 0 };
  const lastRestart = (): Moment => restarts.at(-1) ?? { order: -1, atMs: 0 };
  // A clear in the place of queued invalidations leaves no source versions behind.
  const hasOverflowed = (): boolean =>
    [...lives.values()].some(({ cache }) => cache.stats().invalidations.overflows > 0);
  const versionsLost = (): Moment =>
    hasOverflowed() ? { order: Number.POSITIVE_INFINITY, atMs: time.nowMs() } : lastRestart();
  const loadJudge = createLoadJudge(history, operations, versionsLost, undone, VERSIONED_KEY);
  const isOrigin = (key: string): boolean => originKeys.some((one) => one === key);
  const listJudge = createListJudge(history, truth);
  // Each Set of a note has tags of its own.
  const queueJudge = createQueueJudge(history, truth, (key, observed) => {
    if (isOrigin(key)) return tagsOf(key);
    return observed.kind === "value" ? (tap.sets.get(observed.value)?.command.tags ?? []) : [];
  });
  const workload = createWorkload({
    plan,
    rng: rngFor(seed, 2),
    history,
    truth,
    tap,
    judge,
    loadJudge,
    listJudge,
    queueJudge,
    origin,
    operations,
  });
  const network = createNetwork(time, rngFor(seed, 3), plan, (client, frame) => {
    history.note(client.name, `receives ${describeFrame(frame)}`);
    judge.received(client.name, frame);
  });
  const server = createServerNode(
    time,
    rngFor(seed, 4),
    plan,
    network,
    history,
    noteStarts(tap, history, truth, starts),
  );

  let gaps = 0;
  let retries = 0;
  const programs = new ClientPrograms(plan.programs, workload, history);
  const born = (life: ClientLife): void => {
    lives.set(life.name, life);
    programs.begin(life);
  };
  process.on("unhandledRejection", programs.rejected);
  try {
    const rng = rngFor(seed, 5);
    const clients = Array.from({ length: plan.clients }, (_, index) =>
      createClientNode(`c${index + 1}`, time, rng, plan, network, born),
    );
    const faults = scheduleFaults(time, rngFor(seed, 6), plan, history, network, server, clients);

    await time.run(plan.workMs);
    programs.stop();
    faults.heal();
    const busy = (): boolean => clients.some(({ life }) => programs.isBusy(life));
    await time.run(plan.workMs + SETTLE_MAX_MS, () => !busy());
    if (busy()) history.violate("liveness", `operations hang ${SETTLE_MAX_MS} ms after all was healed`);
    history.note("world", "is quiet");
    await time.run(time.nowMs() + CONVERGE_MS);
    queueJudge.examine(clients.map(({ life }) => life.name));
    await examine({
      time,
      history,
      truth,
      origin,
      workload,
      operations,
      clients: clients.map(({ life }) => life),
      versionsLost,
      undone,
    });
    for (const { life } of clients) {
      const { connection } = life.cache.stats();
      gaps += connection.gaps;
      retries += connection.retries;
    }
    for (const { life } of clients) void life.cache.close({ graceMs: 0 });
    await time.run(time.nowMs() + 100);
  } finally {
    process.off("unhandledRejection", programs.rejected);
  }

  // The model of a key knows no state that comes back. The tap compares every answer with the truth anyway.
  const registers =
    forks.length > 0
      ? { operations: 0, undecided: 0 }
      : checkRegisters(history, truth, operations.all, tap, restarts, false);
  const [first] = history.violations;
  return {
    seed,
    hash: history.hash(),
    violations: history.violations,
    counts: {
      nearReads: judge.judged.near,
      remoteReads: judge.judged.remote,
      originReads: loadJudge.judged,
      registerOperations: registers.operations,
      undecided: registers.undecided,
      increments: operations.all.filter((one) => one.kind === "increment" && one.answer !== undefined).length,
      listings: listJudge.judged,
      restarts: restarts.length - 1,
      continued: starts.continued,
      forks: forks.length,
      gaps,
      retries,
      queued: queueJudge.judged,
      tasks: time.tasksRun,
    },
    trace: (before, after) => history.trace(first?.order ?? history.length, before, after),
  };
}

/** What scenario 37 counts; the other checks have no part in it. */
function reportOf(seed: number, { history, nearReads, remoteReads, tasks }: TwoStoresReport): SeedReport {
  const [first] = history.violations;
  return {
    seed,
    hash: history.hash(),
    violations: history.violations,
    counts: {
      ...{ nearReads, remoteReads, tasks },
      ...{
        originReads: 0,
        registerOperations: 0,
        undecided: 0,
        increments: 0,
        listings: 0,
        restarts: 0,
        continued: 0,
        forks: 0,
        gaps: 0,
        retries: 0,
        queued: 0,
      },
    },
    trace: (before, after) => history.trace(first?.order ?? history.length, before, after),
  };
}

/** When stores began. */
interface Starts {
  /** With another life: with nothing, or with a state from before. */
  readonly restarts: Moment[];
  /** Of these, with a state from before: what was done since then is undone. */
  readonly forks: Moment[];
  /** With the state in which the last one ended. */
  continued: number;
}

function noteStarts(tap: Tap, history: History, truth: Truth, starts: Starts): Tap {
  return {
    ...tap,
    around(store, nowMs, saved) {
      const { life } = truth;
      const moment = history.note("server", "starts");
      const tapped = tap.around(store, nowMs, saved);
      if (truth.life === life) starts.continued += 1;
      else starts.restarts.push(moment);
      if (truth.life !== life && saved !== undefined) starts.forks.push(moment);
      return tapped;
    },
  };
}
