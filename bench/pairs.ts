/** Interleaved windows of two sides, A B A B, and the rows computed from them. */
import { judge, type Row, type Target } from "./comparison.ts";
import type { Session } from "./session.ts";
import { extent, median } from "./statistics.ts";

export interface Pair<Window> {
  readonly ours: Window;
  readonly peer: Window;
}

export interface Sides<Window> {
  /** `round` counts the pairs from 0. Both sides of a pair get the same number. */
  ours(round: number): Promise<Window>;
  peer(round: number): Promise<Window>;
}

export async function interleave<Window>(
  session: Session,
  label: string,
  sides: Sides<Window>,
): Promise<readonly Pair<Window>[]> {
  const pairs: Pair<Window>[] = [];
  for (let round = 0; round < session.plan.pairs; round++) {
    session.step(label);
    const ours = await sides.ours(round);
    session.step(label);
    pairs.push({ ours, peer: await sides.peer(round) });
  }
  return pairs;
}

export interface RowSpec {
  readonly id: string;
  readonly name: string;
  /** The unit of the figures of both sides. */
  readonly unit: string;
  readonly peerName: string;
  readonly target?: Target;
  /** For a row without a target. */
  readonly better?: "higher" | "lower";
  readonly note?: string;
}

/** Compares ours ÷ peer with the target: the median of the ratios of all pairs, with the lowest and the highest. */
export function ratioRow(spec: RowSpec, pairs: readonly Pair<number>[]): Row {
  const ratios = pairs.map(({ ours, peer }) => ours / peer);
  return rowOf(spec, pairs, median(ratios), extent(ratios), "×");
}

/** Compares our own figure with an absolute target. The figure of the peer is shown beside it. */
export function figureRow(
  spec: RowSpec & { readonly judged: string },
  pairs: readonly Pair<number>[],
  aggregate: (figures: readonly number[]) => number = median,
): Row {
  const ours = pairs.map((pair) => pair.ours);
  return rowOf(spec, pairs, aggregate(ours), extent(ours), spec.judged, aggregate);
}

/** Compares our own figure with the target. There is no peer. */
export function loneRow(
  spec: Omit<RowSpec, "peerName"> & { readonly judged: string },
  figures: readonly number[],
  aggregate: (figures: readonly number[]) => number = median,
): Row {
  const pairs = figures.map((ours) => ({ ours, peer: ours }));
  return { ...figureRow({ ...spec, peerName: "" }, pairs, aggregate), peer: null };
}

function rowOf(
  spec: RowSpec,
  pairs: readonly Pair<number>[],
  figure: number,
  spread: [number, number],
  judged: string,
  aggregate: (figures: readonly number[]) => number = median,
): Row {
  return {
    id: spec.id,
    name: spec.name,
    unit: spec.unit,
    ours: aggregate(pairs.map((pair) => pair.ours)),
    peer: aggregate(pairs.map((pair) => pair.peer)),
    peerName: spec.peerName,
    ratio: figure,
    spread,
    pairs: pairs.length,
    must: spec.target?.must ?? null,
    ambition: spec.target?.ambition ?? null,
    better: spec.target?.better ?? spec.better ?? "higher",
    judged,
    verdict: judge(figure, spec.target),
    note: spec.note ?? "",
  };
}
