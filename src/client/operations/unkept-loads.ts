/** Loaded values that are not kept: why, how often, and a warning where a person can mend the cause. */
import { CacheError } from "../../common/errors.ts";

/**
 * Why a loaded value was not kept. "codec": the codec cannot encode it, or not decode it again. "tooLarge": more bytes than
 * the server takes. "options": an option of the loader is out of its range. "asked": the loader said `ttlMs: 0`. "changed":
 * the entry was changed during the load, or the source version is an old one. "outage": the cache could not be reached.
 */
export type UnkeptReason = "codec" | "tooLarge" | "options" | "asked" | "changed" | "outage";

/** A load that is not kept for these is a mistake of the application, and goes on until somebody mends it. */
const MISTAKES: ReadonlySet<UnkeptReason> = new Set(["codec", "tooLarge", "options"]);

/** So many warnings a client gives, one for each reason and namespace. */
const WARNINGS_MAX = 100;

export function createUnkeptCounts(): Record<UnkeptReason, number> {
  return { codec: 0, tooLarge: 0, options: 0, asked: 0, changed: 0, outage: 0 };
}

/** Why a value was not kept, by the error of keeping it. */
export function toUnkeptReason(error: unknown): UnkeptReason {
  if (!(error instanceof CacheError)) return "outage";
  if (error.reason === "CODEC") return "codec";
  if (error.reason !== "FIELD_INVALID") return "outage";
  const { field } = error.detail;
  return field === "value" || field === "operation" ? "tooLarge" : "options";
}

/** Counts for all namespaces of a client. */
export class UnkeptLoads {
  readonly #counters: { loadsUnkept: number; readonly unkeptBy: Record<UnkeptReason, number> };
  readonly #warn: (message: string) => void;
  readonly #warned = new Set<string>();

  constructor(
    counters: { loadsUnkept: number; readonly unkeptBy: Record<UnkeptReason, number> },
    warn: (message: string) => void,
  ) {
    this.#counters = counters;
    this.#warn = warn;
  }

  /** `error` says neither key nor value, as every CacheError. */
  count(namespace: string, reason: UnkeptReason, error?: unknown): void {
    this.#counters.loadsUnkept += 1;
    this.#counters.unkeptBy[reason] += 1;
    if (!MISTAKES.has(reason) || this.#warned.size >= WARNINGS_MAX) return;
    const kind = `${reason} ${namespace}`;
    if (this.#warned.has(kind)) return;
    this.#warned.add(kind);
    const why = error instanceof CacheError ? error.message : reason;
    this.#warn(
      `a loaded value of namespace ${namespace} was returned and not kept, so it is loaded each time: ${why}. ` +
        "Only the first of this kind and namespace is reported: see loads.unkeptBy in stats()",
    );
  }
}
