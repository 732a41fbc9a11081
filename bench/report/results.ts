/** Writes and parses the results of a run as JSON. */
import { cpus, release, totalmem } from "node:os";
import type { Row } from "../comparison.ts";
import type { Plan } from "../plan.ts";

export interface Results {
  readonly rows: readonly Row[];
  readonly machine: {
    readonly cpu: string;
    readonly cores: number;
    readonly memoryBytes: number;
    readonly kernel: string;
    /** The load average of the minute before the run, as a sign of other work on the machine. */
    readonly loadAverageBefore: number;
  };
  readonly node: string;
  /** ISO 8601. */
  readonly date: string;
  readonly seed: number;
  readonly quick: boolean;
  readonly entries: number;
}

export function toResults(rows: readonly Row[], plan: Plan, loadAverageBefore: number): Results {
  const processors = cpus();
  return {
    rows,
    machine: {
      cpu: processors[0]?.model.trim() ?? "unknown",
      cores: processors.length,
      memoryBytes: totalmem(),
      kernel: release(),
      loadAverageBefore,
    },
    node: process.version,
    date: new Date().toISOString(),
    seed: plan.seed,
    quick: plan.quick,
    entries: plan.entries,
  };
}

/** Throws SyntaxError for a text that is not the result of a run. */
export function parseResults(json: string): Results {
  const parsed: unknown = JSON.parse(json);
  if (!isResults(parsed)) throw new SyntaxError("not the results of a bench run");
  return parsed;
}

function isResults(value: unknown): value is Results {
  return (
    typeof value === "object" &&
    value !== null &&
    "rows" in value &&
    Array.isArray(value.rows) &&
    "machine" in value &&
    "node" in value &&
    "date" in value
  );
}
