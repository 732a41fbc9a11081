/** The rows of the targets table, and how a figure is compared with its target. */

import type { PeerName } from "./peers/catalog.ts";
import type { Plan } from "./plan.ts";
import type { Session } from "./session.ts";

/** The figure to reach. `better` says whether higher or lower figures are better. */
export interface Target {
  readonly must: number;
  readonly ambition: number;
  readonly better: "higher" | "lower";
}

/**
 * "ambition", "must": reached. "short": not reached. "shown": the table sets no target for this shape.
 * "skipped": a peer or a file is missing. "failed": the measurement itself went wrong.
 */
export type Verdict = "ambition" | "must" | "short" | "shown" | "skipped" | "failed";

/** A row of the results. A skipped or failed row has only a name, and the reason in `note`. */
export interface Row {
  readonly id: string;
  readonly name: string;
  /** The unit of `ours` and `peer`. */
  readonly unit: string;
  readonly ours: number | null;
  readonly peer: number | null;
  readonly peerName: string;
  /** The compared figure: the median of the ratios of all pairs, or our own figure when the target is absolute. */
  readonly ratio: number | null;
  /** The lowest and highest of all pairs. */
  readonly spread: readonly [number, number] | null;
  readonly pairs: number;
  readonly must: number | null;
  readonly ambition: number | null;
  readonly better: "higher" | "lower";
  /** The unit of `ratio`: "×", or that of the absolute figure. */
  readonly judged: string;
  readonly verdict: Verdict;
  /** How it was measured, if the name does not say it; or why it was not measured. */
  readonly note: string;
}

/** One or more rows that are measured with the same processes. */
export interface Comparison {
  /** `npm run bench -- NAME` selects it by this name, or by the id of one of its rows. */
  readonly name: string;
  readonly ids: readonly string[];
  readonly title: string;
  readonly needs: readonly PeerName[];
  /** Measured windows and fills, for the progress bar. */
  steps(plan: Plan): number;
  run(session: Session): Promise<readonly Row[]>;
}

export function judge(figure: number, target: Target | undefined): Verdict {
  if (target === undefined) return "shown";
  const reaches = (bound: number): boolean =>
    target.better === "higher" ? figure >= bound : figure <= bound;
  if (reaches(target.ambition)) return "ambition";
  return reaches(target.must) ? "must" : "short";
}

export function emptyRow(id: string, name: string, verdict: "skipped" | "failed", reason: string): Row {
  return {
    id,
    name,
    unit: "",
    ours: null,
    peer: null,
    peerName: "",
    ratio: null,
    spread: null,
    pairs: 0,
    must: null,
    ambition: null,
    better: "higher",
    judged: "×",
    verdict,
    note: reason,
  };
}

/** The error, in one line. */
export function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n").find((line) => line.trim() !== "") ?? "unknown";
}
