/**
 * Bounds the signatures that are verified in vain, each of which costs as much as some calls: those of one connection, of one
 * host, and of all of a process. Whoever has sent none is not refused, whatever others do: the first signature of a
 * connection costs less than the connection. Where a bound is reached, tokens that were not verified before are refused unseen;
 * those that were are remembered, and cost nothing. A signature that is right is not counted.
 */
import type { Clock } from "../../common/clock.ts";
import { type CacheError, quotaSpent } from "../../common/errors.ts";
import { networkOf } from "../../common/peer-network.ts";
import type { CallOrigin } from "../identity/authenticator.ts";
import { type RateLimits, SharedRate } from "../metering/shared-rate.ts";

const OF_CONNECTION: RateLimits = { perSecond: 1, burst: 10 };
/** A tenth of what all have: one host alone holds nobody back. */
const OF_HOST: RateLimits = { perSecond: 50, burst: 50 };
/** About a tenth of a core for signatures of RSA or of elliptic curves. */
const OF_PROCESS: RateLimits = { perSecond: 500, burst: 500 };
/** Hosts that are counted. Beyond, the one is forgotten whose first signature in vain was longest ago. */
const HOSTS_MAX = 4_096;

export function createVerificationMemory(): SharedArrayBuffer {
  return new SharedArrayBuffer(BigInt64Array.BYTES_PER_ELEMENT);
}

export class VerificationBudget {
  readonly #clock: Clock;
  readonly #ofProcess: SharedRate;
  /** Of connections that had a token refused. */
  readonly #ofConnections = new WeakMap<CallOrigin, SharedRate>();
  readonly #ofHosts = new Map<string, SharedRate>();

  /** `memory`: that of the budgets of other threads of the process. Hosts are counted in each thread. */
  constructor(memory: SharedArrayBuffer, clock: Clock) {
    this.#clock = clock;
    this.#ofProcess = new SharedRate(new BigInt64Array(memory), OF_PROCESS, clock);
  }

  /** Undefined: a signature may be verified now. Otherwise LIMIT_EXCEEDED. `connection` undefined: it is gone. */
  refusalOf(connection: CallOrigin | undefined): CacheError | undefined {
    if (connection === undefined) return this.#ofAll();
    const ofConnection = this.#ofConnections.get(connection);
    if (ofConnection === undefined) return undefined;
    const ownMs = ofConnection.waitMs();
    if (ownMs > 0) return spent("connection_wrong_tokens_per_second", OF_CONNECTION, ownMs);
    const hostMs = this.#ofHosts.get(networkOf(connection.host))?.waitMs() ?? 0;
    if (hostMs > 0) return spent("host_wrong_tokens_per_second", OF_HOST, hostMs);
    return this.#ofAll();
  }

  /** A signature was wrong. */
  wasWrong(connection: CallOrigin | undefined): void {
    this.#ofProcess.count(1);
    if (connection === undefined) return;
    let ofConnection = this.#ofConnections.get(connection);
    if (ofConnection === undefined) {
      ofConnection = this.#newRate(OF_CONNECTION);
      this.#ofConnections.set(connection, ofConnection);
    }
    ofConnection.count(1);
    this.#ofHost(networkOf(connection.host)).count(1);
  }

  #ofAll(): CacheError | undefined {
    const waitMs = this.#ofProcess.waitMs();
    return waitMs > 0 ? spent("wrong_tokens_per_second", OF_PROCESS, waitMs) : undefined;
  }

  #ofHost(network: string): SharedRate {
    const known = this.#ofHosts.get(network);
    if (known !== undefined) return known;
    const [oldest] = this.#ofHosts.keys();
    if (this.#ofHosts.size >= HOSTS_MAX && oldest !== undefined) this.#ofHosts.delete(oldest);
    const rate = this.#newRate(OF_HOST);
    this.#ofHosts.set(network, rate);
    return rate;
  }

  #newRate(limits: RateLimits): SharedRate {
    return new SharedRate(new BigInt64Array(1), limits, this.#clock);
  }
}

function spent(limit: string, { perSecond }: RateLimits, waitMs: number): CacheError {
  return quotaSpent(limit, perSecond, Math.ceil(waitMs));
}
