/** What a replay does with its trace. */
import type { Trace } from "./trace.ts";

export interface ReplayPlan {
  readonly trace: Trace;
  /** How many of the trace's accesses are replayed. */
  readonly accesses: number;
  readonly concurrency: number;
  /** Accesses in one call. */
  readonly batch: number;
  /** Share of the accesses that write. */
  readonly writes: number;
  /** Share of the writes that write a whole tag. */
  readonly tagWrites: number;
}
