/** Loaded values that are not kept: why, and how often. */
import { CacheError } from "../../common/errors.ts";
import type { ReportEvent, UnkeptReason } from "../api/client-events.ts";

export function createUnkeptCounts(): Record<UnkeptReason, number> {
  return { codec: 0, tooLarge: 0, options: 0, asked: 0, changed: 0, held: 0, outage: 0 };
}

/** Why a value was not kept, by the error of keeping it. */
export function toUnkeptReason(error: unknown): UnkeptReason {
  if (!(error instanceof CacheError)) return "outage";
  if (error.reason === "CODEC") return "codec";
  if (error.reason !== "FIELD_INVALID") return "outage";
  const { field } = error.detail;
  return field === "value" || field === "operation" ? "tooLarge" : "options";
}

const CAUSES: Readonly<Record<UnkeptReason, string>> = {
  codec: "its codec refuses it",
  tooLarge: "it is too large",
  options: "an option of its loader is out of its range",
  asked: "its loader asked for it",
  changed: "its entry was changed during the load",
  held: "another process was still loading it when the wait was over",
  outage: "the cache could not be reached",
};

/** Counts for all namespaces of a client. */
export class UnkeptLoads {
  readonly #counters: { loadsUnkept: number; readonly unkeptBy: Record<UnkeptReason, number> };
  readonly #report: ReportEvent;

  constructor(
    counters: { loadsUnkept: number; readonly unkeptBy: Record<UnkeptReason, number> },
    report: ReportEvent,
  ) {
    this.#counters = counters;
    this.#report = report;
  }

  /** `error` says neither key nor value, as every CacheError. */
  count(namespace: string, reason: UnkeptReason, error?: unknown): void {
    this.#counters.loadsUnkept += 1;
    this.#counters.unkeptBy[reason] += 1;
    if (reason === "asked") return;
    const cause = error instanceof CacheError ? error.message : CAUSES[reason];
    this.#report({ kind: "loadUnkept", namespace, reason, cause });
  }
}
