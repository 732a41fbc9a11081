/** Rows 1, 1b and 2: reads over the network, and what they cost the client. */
import type { Comparison, Row } from "../comparison.ts";
import type { Distribution } from "../keyspace.ts";
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import type { Plan } from "../plan.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { fillSides, openRemoteSide, type RemoteSide } from "./remote-side.ts";

interface Shape {
  readonly inFlight: number;
  readonly distribution: Distribution;
}

const targetShapes: readonly Shape[] = [
  { inFlight: 64, distribution: "zipfian" },
  { inFlight: 512, distribution: "zipfian" },
];
const otherShapes: readonly Shape[] = [
  { inFlight: 1, distribution: "zipfian" },
  { inFlight: 64, distribution: "uniform" },
  { inFlight: 512, distribution: "uniform" },
];

/** Far more than the entries need: these rows are about hits. */
const smallBudgetBytes = 2 * 2 ** 30;
const largeBudgetBytes = 3 * 2 ** 30;

const shapesOf = (plan: Plan): readonly Shape[] =>
  plan.everyShape ? [...targetShapes, ...otherShapes] : targetShapes;

/** Two fills, and for each shape a warm-up and a window of both sides. */
const stepsOf = (plan: Plan, shapes: number): number => 2 + shapes * (2 + 2 * plan.pairs);

async function measure(
  session: Session,
  shape: Shape,
  sides: Pair<RemoteSide>,
): Promise<readonly Pair<ClosedLoopWindow>[]> {
  const label = `${shape.inFlight} in flight, ${shape.distribution}`;
  const { plan } = session;
  const load = (side: RemoteSide, durationMs: number, round: number): Promise<ClosedLoopWindow> =>
    side.load.call("closedLoop", { ...shape, durationMs, seed: plan.seed + round } satisfies ClosedLoopShape);
  for (const side of [sides.ours, sides.peer]) {
    session.step(`${label}: warm-up`);
    await load(side, plan.warmUpMs, plan.pairs);
  }
  return await interleave(session, label, {
    ours: (round) => load(sides.ours, plan.windowMs, round),
    peer: (round) => load(sides.peer, plan.windowMs, round),
  });
}

function rateRow(
  id: string,
  name: string,
  peerName: string,
  shape: Shape,
  pairs: readonly Pair<ClosedLoopWindow>[],
): Row {
  return ratioRow(
    {
      id,
      name: `${name}, ${shape.inFlight} in flight, ${shape.distribution}`,
      unit: "gets/s",
      peerName,
      ...(shape.inFlight > 1 && peerName === "ioredis"
        ? { target: id === "1" ? targets.remoteGet : targets.remoteGetLarge }
        : {}),
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
  );
}

function cpuRow(shape: Shape, pairs: readonly Pair<ClosedLoopWindow>[]): Row {
  return ratioRow(
    {
      id: "2",
      name: `client CPU a remote get, ${shape.inFlight} in flight, ${shape.distribution}`,
      unit: "µs",
      peerName: "ioredis",
      better: "lower",
      ...(shape.inFlight > 1 ? { target: targets.clientCpu } : {}),
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.cpuMicros, peer: peer.cpuMicros })),
  );
}

async function openSides(
  session: Session,
  peer: RemoteClientName,
  entries: number,
  valueBytes: number,
  budgetBytes: number,
): Promise<Pair<RemoteSide> & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const ours = undo.use(await openRemoteSide(session, "meshcache", budgetBytes));
  const theirs = undo.use(await openRemoteSide(session, peer, budgetBytes));
  await fillSides(session, [ours, theirs], entries, valueBytes);
  const kept = undo.move();
  return { ours, peer: theirs, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

export const remoteGet: Comparison = {
  name: "remote-get",
  ids: ["1", "2"],
  title: "gets of 100 B through the client over ioredis auto-pipelined on redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => stepsOf(plan, shapesOf(plan).length),
  async run(session) {
    await using sides = await openSides(session, "ioredis", session.plan.entries, 100, smallBudgetBytes);
    const rates: Row[] = [];
    const costs: Row[] = [];
    for (const shape of shapesOf(session.plan)) {
      const pairs = await measure(session, shape, sides);
      rates.push(rateRow("1", "remote gets of 100 B", "ioredis", shape, pairs));
      costs.push(cpuRow(shape, pairs));
    }
    return [...rates, ...costs];
  },
};

export const remoteGetLarge: Comparison = {
  name: "remote-get-large",
  ids: ["1b"],
  title: "gets of 10 KB through the client over ioredis auto-pipelined on redis-server",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => stepsOf(plan, targetShapes.length),
  async run(session) {
    const { largeEntries } = session.plan;
    await using sides = await openSides(session, "ioredis", largeEntries, 10_240, largeBudgetBytes);
    const rows: Row[] = [];
    for (const shape of targetShapes) {
      const pairs = await measure(session, shape, sides);
      rows.push({
        ...rateRow("1b", "remote gets of 10 KB", "ioredis", shape, pairs),
        note: `${largeEntries.toLocaleString("en")} entries`,
      });
    }
    return rows;
  },
};

export const remoteGetNodeRedis: Comparison = {
  name: "remote-get-node-redis",
  ids: ["1"],
  title: "gets of 100 B through the client over node-redis",
  needs: ["redis-server", "redis"],
  steps: (plan) => (plan.everyShape ? stepsOf(plan, targetShapes.length) : 0),
  async run(session) {
    if (!session.plan.everyShape) return [];
    await using sides = await openSides(session, "redis", session.plan.entries, 100, smallBudgetBytes);
    const rows: Row[] = [];
    for (const shape of targetShapes) {
      rows.push(
        rateRow("1", "remote gets of 100 B", "node-redis", shape, await measure(session, shape, sides)),
      );
    }
    return rows;
  },
};
