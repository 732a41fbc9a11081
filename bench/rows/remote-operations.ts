/** Rows 1, 1b, 1i, 1s, 2, 2i and 2s: operations over the network, and the CPU time of the client. */
import { type Comparison, emptyRow, type Row, reasonOf, type Target } from "../comparison.ts";
import type { Distribution } from "../keyspace.ts";
import type { ClosedLoopShape, ClosedLoopWindow } from "../load/closed-loop.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import type { PeerName } from "../peers/catalog.ts";
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

interface RemoteOperations {
  readonly operation: ClosedLoopShape["operation"];
  readonly name: string;
  readonly title: string;
  readonly id: string;
  readonly peer: RemoteClientName;
  readonly peerName: string;
  readonly needs: readonly PeerName[];
  readonly valueBytes: number;
  readonly figure: string;
  /** The target for shapes with more than one operation in flight. */
  readonly target?: Target;
  /** The row for the CPU of the client, measured in the same windows. */
  readonly cpuId?: string;
  readonly cpuTarget?: Target;
  entries(plan: Plan): number;
  shapes(plan: Plan): readonly Shape[];
}

const overIoredis = {
  peer: "ioredis",
  peerName: "ioredis",
  needs: ["redis-server", "ioredis"],
} as const satisfies Partial<RemoteOperations>;

/** More than the entries need, including index and log, so that reads hit and Sets evict nothing. */
const budgetOf = (entries: number, valueBytes: number): number => 2 ** 28 + entries * (valueBytes + 1_500);

function compareRemoteOperations(spec: RemoteOperations): Comparison {
  return {
    name: spec.name,
    title: spec.title,
    ids: spec.cpuId === undefined ? [spec.id] : [spec.id, spec.cpuId],
    needs: spec.needs,
    // Two fills, and for each shape one warm-up and the windows of both sides.
    steps: (plan) =>
      (spec.shapes(plan).length === 0 ? 0 : 2) + spec.shapes(plan).length * (2 + 2 * plan.pairs),
    async run(session) {
      const shapes = spec.shapes(session.plan);
      if (shapes.length === 0) return [];
      await using sides = await openSides(session, spec);
      const rows: Row[] = [];
      let warmUpMs = Math.max(session.plan.warmUpMs, FIRST_WARM_UP_MIN_MS);
      for (const shape of shapes) {
        try {
          rows.push(
            ...rowsOf(
              spec,
              shape,
              session.plan,
              await measure(session, spec.operation, shape, sides, warmUpMs),
            ),
          );
        } catch (error) {
          rows.push(emptyRow(spec.id, nameOf(spec.figure, shape), "failed", reasonOf(error)));
        }
        warmUpMs = session.plan.warmUpMs;
      }
      return rows;
    },
  };
}

async function openSides(
  session: Session,
  spec: RemoteOperations,
): Promise<Pair<RemoteSide> & AsyncDisposable> {
  const entries = spec.entries(session.plan);
  const budgetBytes = budgetOf(entries, spec.valueBytes);
  await using undo = new AsyncDisposableStack();
  const ours = undo.use(await openRemoteSide(session, "meshcache", budgetBytes));
  const peer = undo.use(await openRemoteSide(session, spec.peer, budgetBytes));
  await fillSides(session, [ours, peer], entries, spec.valueBytes);
  const kept = undo.move();
  return { ours, peer, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function measure(
  session: Session,
  operation: RemoteOperations["operation"],
  shape: Shape,
  sides: Pair<RemoteSide>,
  warmUpMs: number,
): Promise<readonly Pair<ClosedLoopWindow>[]> {
  const label = `${shape.inFlight} in flight, ${shape.distribution}`;
  const { plan } = session;
  const load = (side: RemoteSide, durationMs: number, round: number): Promise<ClosedLoopWindow> =>
    side.load.call("closedLoop", {
      operation,
      ...shape,
      durationMs,
      seed: plan.seed + round,
    } satisfies ClosedLoopShape);
  for (const side of [sides.ours, sides.peer]) {
    session.step(`${label}: warm-up`);
    await load(side, warmUpMs, plan.pairs);
  }
  return await interleave(session, label, {
    ours: (round) => load(sides.ours, plan.windowMs, round),
    peer: (round) => load(sides.peer, plan.windowMs, round),
  });
}

/** For the first shape. Without it, the code of client and server would still be compiled during the measurement. */
const FIRST_WARM_UP_MIN_MS = 2_000;

const nameOf = (figure: string, { inFlight, distribution }: Shape): string =>
  `${figure}, ${inFlight} in flight, ${distribution}`;

function rowsOf(
  spec: RemoteOperations,
  shape: Shape,
  plan: Plan,
  pairs: readonly Pair<ClosedLoopWindow>[],
): readonly Row[] {
  const { peerName } = spec;
  const targeted = shape.inFlight > 1;
  const note = `${spec.entries(plan).toLocaleString("en")} entries`;
  const rate = ratioRow(
    {
      id: spec.id,
      name: nameOf(spec.figure, shape),
      unit: `${spec.operation}s/s`,
      peerName,
      note,
      ...(targeted && spec.target !== undefined ? { target: spec.target } : {}),
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
  );
  if (spec.cpuId === undefined) return [rate];
  const cpu = ratioRow(
    {
      id: spec.cpuId,
      name: nameOf(`client CPU a remote ${spec.operation}`, shape),
      unit: "µs",
      peerName,
      better: "lower",
      note,
      ...(targeted && spec.cpuTarget !== undefined ? { target: spec.cpuTarget } : {}),
    },
    pairs.map(({ ours, peer }) => ({ ours: ours.cpuMicros, peer: peer.cpuMicros })),
  );
  return [rate, cpu];
}

export const remoteGet = compareRemoteOperations({
  operation: "get",
  name: "remote-get",
  title: "gets of 100 B by the client, compared with auto-pipelined ioredis on redis-server",
  id: "1",
  cpuId: "2",
  cpuTarget: targets.clientCpu,
  ...overIoredis,
  valueBytes: 100,
  figure: "remote gets of 100 B",
  target: targets.remoteGet,
  entries: (plan) => plan.entries,
  shapes: (plan) => (plan.everyShape ? [...targetShapes, ...otherShapes] : targetShapes),
});

export const remoteGetLarge = compareRemoteOperations({
  operation: "get",
  name: "remote-get-large",
  title: "gets of 10 KB by the client, compared with auto-pipelined ioredis on redis-server",
  id: "1b",
  ...overIoredis,
  valueBytes: 10_240,
  figure: "remote gets of 10 KB",
  target: targets.remoteGetLarge,
  entries: (plan) => plan.largeEntries,
  shapes: () => targetShapes,
});

export const remoteGetNodeRedis = compareRemoteOperations({
  operation: "get",
  name: "remote-get-node-redis",
  title: "gets of 100 B by the client, compared with node-redis",
  id: "1",
  peer: "redis",
  peerName: "node-redis",
  needs: ["redis-server", "redis"],
  valueBytes: 100,
  figure: "remote gets of 100 B",
  entries: (plan) => plan.entries,
  // It has no target, so the quick run leaves it out.
  shapes: (plan) => (plan.everyShape ? targetShapes : []),
});

export const remoteGetValkey = compareRemoteOperations({
  operation: "get",
  name: "remote-get-valkey",
  title: "gets of 100 B by the client, compared with valkey-glide on valkey-server",
  id: "1",
  peer: "valkey-glide",
  peerName: "valkey-glide on valkey-server",
  needs: ["valkey-server", "valkey-glide"],
  valueBytes: 100,
  figure: "remote gets of 100 B",
  entries: (plan) => plan.entries,
  // It has no target, so the quick run leaves it out.
  shapes: (plan) => (plan.everyShape ? targetShapes : []),
});

export const remoteSet = compareRemoteOperations({
  operation: "set",
  name: "remote-set",
  title: "sets of 100 B by the client, compared with auto-pipelined ioredis on redis-server",
  id: "1s",
  cpuId: "2s",
  ...overIoredis,
  valueBytes: 100,
  figure: "remote sets of 100 B",
  entries: (plan) => plan.entries,
  // The quick run leaves it out too. A profile covers one shape only, because two would be mixed.
  shapes: (plan) => (plan.quick ? [] : plan.everyShape ? targetShapes : targetShapes.slice(0, 1)),
});

export const remoteIncrement = compareRemoteOperations({
  operation: "increment",
  name: "remote-increment",
  title: "increments by the client, compared with INCR of auto-pipelined ioredis on redis-server",
  id: "1i",
  cpuId: "2i",
  ...overIoredis,
  valueBytes: 1,
  figure: "remote increments",
  target: targets.remoteIncrement,
  entries: (plan) => plan.entries,
  shapes: (plan) => (plan.everyShape ? targetShapes : targetShapes.slice(0, 1)),
});
