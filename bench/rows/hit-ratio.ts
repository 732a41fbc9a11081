/** Row 9: the hit ratio of the store's eviction on real traces, compared with an LRU of as many entries. */
import type { Comparison, Row } from "../comparison.ts";
import { emptyRow, judge } from "../comparison.ts";
import { hasTrace, type TraceName, traceNames, tracePath } from "../load/trace.ts";
import type { TraceLoad } from "../load/trace-load.ts";
import type { Plan } from "../plan.ts";
import type { Session } from "../session.ts";
import { extent, mean } from "../statistics.ts";
import { targets } from "../targets.ts";

interface Point {
  readonly trace: TraceName;
  readonly percent: number;
  readonly capacity: number;
  readonly entriesSeen: number;
  readonly ours: number;
  readonly lru: number;
}

const capacityPercents = [1, 5, 20] as const;
const loadFile = new URL("../load/trace-load.ts", import.meta.url);

async function replayTrace(session: Session, trace: TraceName): Promise<readonly Point[]> {
  const { traces, traceAccessesMax, engine } = session.plan;
  await using load = session.start<TraceLoad>("server", loadFile);
  const objects = await load.call("load", traces, trace, traceAccessesMax);
  const points: Point[] = [];
  for (const percent of capacityPercents) {
    session.step(`${trace}, ${percent} % of ${objects.toLocaleString("en")} keys`);
    const capacity = Math.floor((objects * percent) / 100);
    const ours = await load.call("replay", "meshcache", capacity, engine);
    const lru = await load.call("replay", "lru-cache", capacity, undefined);
    points.push({
      trace,
      percent,
      capacity,
      entriesSeen: ours.entriesSeen,
      ours: ours.hitRatio,
      lru: lru.hitRatio,
    });
  }
  return points;
}

function pointRow(point: Point): Row {
  return {
    ...blank,
    name: `hit ratio, ${point.trace} at ${point.percent} % (${point.capacity.toLocaleString("en")} entries)`,
    ours: point.ours,
    peer: point.lru,
    ratio: point.ours - point.lru,
    pairs: 1,
    note: `at most ${point.entriesSeen.toLocaleString("en")} entries held`,
  };
}

const blank: Row = {
  id: "9",
  name: "",
  unit: "",
  ours: null,
  peer: null,
  peerName: "LRU",
  ratio: null,
  spread: null,
  pairs: 0,
  must: null,
  ambition: null,
  better: "higher",
  judged: "difference",
  verdict: "shown",
  note: "",
};

function meanRow(plan: Plan, points: readonly Point[]): Row {
  const differences = points.map((point) => point.ours - point.lru);
  const figure = mean(differences);
  const { must, ambition } = targets.hitRatioOverLru;
  return {
    ...blank,
    name: "hit ratio on the traces − LRU, mean of six points",
    ours: mean(points.map((point) => point.ours)),
    peer: mean(points.map((point) => point.lru)),
    ratio: figure,
    spread: extent(differences),
    pairs: points.length,
    must,
    ambition,
    verdict: judge(figure, targets.hitRatioOverLru),
    note: `the store itself, unit-sized entries; first ${plan.traceAccessesMax.toLocaleString("en")} accesses of each trace`,
  };
}

export const hitRatio: Comparison = {
  name: "hit-ratio",
  ids: ["9"],
  title: "hit ratio on real traces, compared with LRU",
  needs: ["lru-cache"],
  steps: () => traceNames.length * capacityPercents.length,
  async run(session) {
    const { traces } = session.plan;
    const absent = traceNames.filter((name) => !hasTrace(traces, name));
    if (absent.length > 0) {
      const files = absent.map((name) => tracePath(traces, name)).join(", ");
      return [
        emptyRow(
          "9",
          "hit ratio on the traces",
          "skipped",
          `not here: ${files} (--traces FOLDER or MESHCACHE_TRACES)`,
        ),
      ];
    }
    const points: Point[] = [];
    for (const trace of traceNames) points.push(...(await replayTrace(session, trace)));
    return [meanRow(session.plan, points), ...points.map(pointRow)];
  },
};
