/** Rows 8 and 6: the slowest reads, and the longest pause of the server, at half load with eviction. */
import type { Comparison } from "../comparison.ts";
import type { OpenLoopWindow } from "../load/open-loop.ts";
import { figureRow, interleave, loneRow } from "../pairs.ts";
import { targets } from "../targets.ts";
import { type Churn, sustainedPerSecond } from "./capacity.ts";
import { fillSides, openRemoteSide, type RemoteSide } from "./remote-side.ts";

const churn: Churn = { writeShare: 0.1, valueBytes: 100 };
/** Room for at most two thirds of the entries, so that Sets evict. */
const BUDGET_BYTES_AN_ENTRY = 160;

export const tailLatency: Comparison = {
  name: "tail-latency",
  ids: ["8", "6"],
  title: "p99.9 of a Get at half load during churn, divided by its p50",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 4 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    await using ours = await openRemoteSide(session, "meshcache", plan.entries * BUDGET_BYTES_AN_ENTRY);
    const { observer } = ours;
    if (observer === undefined) throw new Error("the server has no observer for its garbage collector");
    await using peer = await openRemoteSide(session, "ioredis", 0);
    await fillSides(session, [ours, peer], plan.entries, churn.valueBytes);
    const half = new Map<RemoteSide, number>();
    for (const side of [ours, peer]) half.set(side, (await sustainedPerSecond(session, side, churn)) / 2);
    const run = (side: RemoteSide, round: number): Promise<OpenLoopWindow> =>
      side.load.call("openLoop", {
        perSecond: half.get(side) ?? 0,
        ...churn,
        durationMs: plan.windowMs,
        seed: plan.seed + round,
      });
    const pausesMs: number[] = [];
    const windows = await interleave(session, "half load", {
      async ours(round) {
        await observer.call("watchGc");
        const window = await run(ours, round);
        pausesMs.push(await observer.call("longestGcPauseMs"));
        return window;
      },
      peer: (round) => run(peer, round),
    });
    const tail = (window: OpenLoopWindow): number => window.p999Micros / window.p50Micros;
    const at = windows.at(-1);
    return [
      figureRow(
        {
          id: "8",
          name: "p99.9 of a Get at half load during churn ÷ its p50",
          unit: "×",
          judged: "×",
          peerName: "ioredis",
          target: targets.tailOverMedian,
          note:
            `open loop, Poisson arrivals, ${churn.writeShare * 100} % sets; ours at ${toThousands(half.get(ours))}/s ` +
            `p50 ${toMillis(at?.ours.p50Micros)} p99.9 ${toMillis(at?.ours.p999Micros)}, theirs at ` +
            `${toThousands(half.get(peer))}/s p50 ${toMillis(at?.peer.p50Micros)} p99.9 ${toMillis(at?.peer.p999Micros)}`,
        },
        windows.map((pair) => ({ ours: tail(pair.ours), peer: tail(pair.peer) })),
      ),
      loneRow(
        {
          id: "6",
          name: `longest GC pause of the whole server at half load, ${plan.entries.toLocaleString("en")} keys`,
          unit: "ms",
          judged: "ms",
          target: targets.gcPauseMs,
          note: "in the windows of row 8, too short for most full collections; the worst of them",
        },
        pausesMs,
        (figures) => Math.max(...figures),
      ),
    ];
  },
};

const toThousands = (perSecond = Number.NaN): string => `${(perSecond / 1000).toFixed(0)} k`;
const toMillis = (micros = Number.NaN): string => `${(micros / 1000).toFixed(2)} ms`;
