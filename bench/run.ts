/** Runs comparisons one after the other. A missing peer skips its rows, and an error fails only its rows. */
import { type Comparison, emptyRow, type Row, reasonOf } from "./comparison.ts";
import { missingPeers } from "./peers/catalog.ts";
import type { Plan } from "./plan.ts";
import { createProgress } from "./report/progress.ts";
import { createSession } from "./session.ts";

export interface RunOptions {
  readonly plan: Plan;
  readonly profileFolder?: string;
}

export async function runComparisons(
  comparisons: readonly Comparison[],
  { plan, profileFolder }: RunOptions,
): Promise<readonly Row[]> {
  const progress = createProgress(comparisons.reduce((sum, one) => sum + one.steps(plan), 0));
  const rows: Row[] = [];
  for (const comparison of comparisons) {
    const missing = missingPeers(comparison.needs);
    const session = createSession({
      plan,
      step: (label) => progress.step(`${comparison.name}: ${label}`),
      ...(profileFolder === undefined ? {} : { profileFolder }),
    });
    if (missing.length > 0) rows.push(...blankRows(comparison, "skipped", missing.join("; ")));
    else rows.push(...(await attempt(comparison, () => comparison.run(session))));
  }
  progress.stop();
  return rows.sort((left, right) => left.id.localeCompare(right.id, "en", { numeric: true }));
}

async function attempt(comparison: Comparison, run: () => Promise<readonly Row[]>): Promise<readonly Row[]> {
  try {
    return await run();
  } catch (error) {
    return blankRows(comparison, "failed", reasonOf(error));
  }
}

function blankRows(comparison: Comparison, verdict: "skipped" | "failed", reason: string): readonly Row[] {
  return comparison.ids.map((id) => emptyRow(id, comparison.title, verdict, reason));
}
