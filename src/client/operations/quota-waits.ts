/**
 * Operations that a server has refused since a quota of this client is spent. They have not run, and the server has said when to
 * ask again: each waits that long, and some more by chance, and is sent again, a few times, if its deadline leaves the time.
 * Until then others of those kinds wait too. What is never refused, such as an invalidation, does not wait.
 */
import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError, quotaSpent } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import type { Call } from "../connection/pending-call.ts";

type Body = Operation["operation"];

/** How often one operation is refused before its caller is told. */
const REFUSALS_MAX = 4;
/** Operations that wait: as many as the window has by default. Further ones fail at once. */
const WAITING_MAX = 16_384;

interface QuotaWaitsDeps {
  readonly clock: Clock;
  readonly rng: Rng;
  /** Sends a call that has waited. */
  readonly send: (call: Call) => void;
}

export class QuotaWaits {
  readonly #deps: QuotaWaitsDeps;
  readonly #waiting = new Map<Call, Timer>();
  /** The rate that is spent, as the server has named it. Undefined: none is. */
  #spent: CacheError | undefined;
  #untilMs = 0;
  #isClosed = false;

  constructor(deps: QuotaWaitsDeps) {
    this.#deps = deps;
  }

  /** A server has refused for a rate, lately. */
  get asked(): boolean {
    return this.#spent !== undefined;
  }

  /** What a server would refuse an operation with that is sent now. */
  refusalOf(body: Body): CacheError | undefined {
    const leftMs = this.#untilMs - this.#deps.clock.nowMs();
    if (leftMs <= 0) this.#spent = undefined;
    if (this.#spent === undefined || !isMetered(body)) return undefined;
    const { limit = "", bound } = this.#spent.detail;
    return quotaSpent(limit, Number(bound), leftMs);
  }

  /** True: the call waits, and is sent later. False: its caller has to be told. `refusals`: how often it was refused so far. */
  wait(call: Call, refusal: CacheError, refusals: number): boolean {
    const { clock, rng, send } = this.#deps;
    const { retryAfterMs } = refusal;
    if (!isQuota(refusal)) return false;
    const nowMs = clock.nowMs();
    if (refusal.detail.limit?.endsWith("_per_second") && nowMs + retryAfterMs > this.#untilMs) {
      this.#spent = refusal;
      this.#untilMs = nowMs + retryAfterMs;
    }
    const leftMs = call.plan.deadlineAtMs - nowMs;
    if (retryAfterMs >= leftMs || refusals >= REFUSALS_MAX) return false;
    if (this.#waiting.size >= WAITING_MAX || this.#isClosed) return false;
    // Those who were refused together come back one by one, and the later the more often they were.
    const spreadMs = retryAfterMs * 2 ** refusals * rng.fraction();
    const delayMs = Math.ceil(Math.min(retryAfterMs + spreadMs, leftMs - 1));
    const again = (): void => {
      this.#waiting.delete(call);
      if (!call.settled) send(call);
    };
    // The timer keeps the process alive, as an open socket does: a caller waits.
    this.#waiting.set(call, clock.schedule(delayMs, again, true));
    return true;
  }

  /** Fails what waits. */
  close(): void {
    this.#isClosed = true;
    for (const [call, timer] of this.#waiting) {
      timer.cancel();
      call.fail(new CacheError("CLOSED", "the client is closed"));
    }
    this.#waiting.clear();
  }
}

function isQuota({ reason, retryAfterMs }: CacheError): boolean {
  return reason === "LIMIT_EXCEEDED" && retryAfterMs > 0;
}

/** Whether a server refuses such operations for a rate. */
function isMetered(body: Body): boolean {
  switch (body.case) {
    case "get":
    case "increment":
    case "listKeys":
      return true;
    case "set":
      return body.value.condition.case !== "leaseToken";
    case "lease":
      return body.value.releaseToken === 0n;
    default:
      return false;
  }
}
