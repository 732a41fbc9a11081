/** Counts errors that no status of a call shows: those of operations of a batch, and of frames of an Exchange. */
import { CacheError, type CacheErrorReason } from "../../common/errors.ts";

export class RefusalCounts {
  /** By reason. */
  readonly counts: Partial<Record<CacheErrorReason, number>> = {};

  add(error: unknown): void {
    this.count(error instanceof CacheError ? error.reason : "INTERNAL");
  }

  count(reason: CacheErrorReason): void {
    this.counts[reason] = (this.counts[reason] ?? 0) + 1;
  }
}
