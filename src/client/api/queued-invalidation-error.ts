/** The error of an invalidation that is still to be acknowledged. */
import { CacheError } from "../../common/errors.ts";

/**
 * The caller of `invalidate` gave up, and the invalidation did not: it is queued, and sent before anything else once there is
 * a connection. `reason` says why the caller gave up: DEADLINE or CANCELLED. `cause` is why no server had acknowledged it. The
 * copies of this process are gone, and it reads nothing older from the cache any more.
 */
export class QueuedInvalidationError extends CacheError {
  readonly queued = true;

  constructor(reason: "DEADLINE" | "CANCELLED", cause: CacheError) {
    const why = reason === "DEADLINE" ? "no server acknowledged it by the deadline" : "the caller gave up";
    super(reason, `the invalidation is queued: ${why}`, {}, { cause });
  }
}
