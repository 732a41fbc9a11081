/** How much a caller may use, as whoever runs its operations asks it. */
import type { CacheError } from "../../common/errors.ts";

/** What lasts. */
export type OpenKind = "connections" | "streams";

export interface Meter {
  /** Undefined: the operation may run, and is counted. Otherwise what it ends with: LIMIT_EXCEEDED, with when to ask again. */
  admit(): CacheError | undefined;
  /** Counts the bytes of an operation that was admitted. */
  spend(bytes: number): void;
  /** Counts an operation that is never refused, with its bytes. What is beyond its rate is remembered up to one burst. */
  count(bytes: number): void;
  /**
   * Asked for a Set by a lease, which is then counted. Undefined: it is not refused. Otherwise as `admit`: too many of the caller's
   * were of no lease, and cannot be told from other Sets.
   */
  admitFill(): CacheError | undefined;
  /** A Set by a lease was of none. */
  filledInVain(): void;
  /** Undefined: one more may be open, and is counted until `close`. Otherwise LIMIT_EXCEEDED. */
  open(kind: OpenKind): CacheError | undefined;
  close(kind: OpenKind): void;
  /** What its calls hold in memory. */
  readonly held: HeldMemory;
}

/** The bytes that the calls of one caller hold, on all its connections. */
export interface HeldMemory {
  /** Those of other threads may be older by some. */
  readonly bytes: number;
  /** Infinity: not limited for it alone. */
  readonly maxBytes: number;
  /** Negative: so many are held no longer. */
  add(bytes: number): void;
  /** What a request ends with for which there is no room. Counts it. */
  refuse(): CacheError;
}
