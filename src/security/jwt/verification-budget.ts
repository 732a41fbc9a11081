/**
 * Bounds the signatures that are verified in vain, each of which costs as much as some calls: those of one connection, and those
 * of all connections of a process. Where a bound is reached, tokens that were not verified before are refused unseen; those that
 * were are remembered, and cost nothing. A signature that is right is not counted.
 */
import type { Clock } from "../../common/clock.ts";
import { type CacheError, quotaSpent } from "../../common/errors.ts";
import { type RateLimits, SharedRate } from "../metering/shared-rate.ts";

const OF_CONNECTION: RateLimits = { perSecond: 1, burst: 10 };
/** About a tenth of a core for signatures of RSA or of elliptic curves. */
const OF_PROCESS: RateLimits = { perSecond: 500, burst: 500 };

export function createVerificationMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
}

export class VerificationBudget {
  readonly #clock: Clock;
  readonly #ofProcess: SharedRate;
  /** Of connections that had a token refused. */
  readonly #ofConnections = new WeakMap<object, SharedRate>();

  /** `memory`: that of the budgets of other threads of the process. */
  constructor(memory: SharedArrayBuffer, clock: Clock) {
    this.#clock = clock;
    this.#ofProcess = new SharedRate(new BigInt64Array(memory), OF_PROCESS, clock);
  }

  /** Undefined: a signature may be verified now. Otherwise LIMIT_EXCEEDED. `connection` undefined: it is gone. */
  refusalOf(connection: object | undefined): CacheError | undefined {
    const ofConnection = connection && this.#ofConnections.get(connection);
    const waitMs = ofConnection?.waitMs() ?? 0;
    if (waitMs > 0) return spent("connection_wrong_tokens_per_second", OF_CONNECTION, waitMs);
    const allMs = this.#ofProcess.waitMs();
    return allMs > 0 ? spent("wrong_tokens_per_second", OF_PROCESS, allMs) : undefined;
  }

  /** A signature was wrong. */
  wasWrong(connection: object | undefined): void {
    this.#ofProcess.count(1);
    if (connection === undefined) return;
    let ofConnection = this.#ofConnections.get(connection);
    if (ofConnection === undefined) {
      ofConnection = new SharedRate(new BigInt64Array(1), OF_CONNECTION, this.#clock);
      this.#ofConnections.set(connection, ofConnection);
    }
    ofConnection.count(1);
  }
}

function spent(limit: string, { perSecond }: RateLimits, waitMs: number): CacheError {
  return quotaSpent(limit, perSecond, Math.ceil(waitMs));
}
