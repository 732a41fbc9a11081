/**
 * Singleflight: at most one piece of work in flight for each key of a namespace in this process. A caller joins the work in
 * flight unless the key may have changed since it began: after a change that may concern the key, or when a change may have
 * been missed. A flight is one piece of work and its callers; all of them get its result, or its failure.
 */

import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import { ageOf, type Clock, type Moment, momentOf, type Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { isAborted, onAbort } from "../api/signals.ts";
import { type Change, type Coherence, NOT_COVERED } from "../coherence/coherence.ts";
import type { InvalidationBus, InvalidationListener } from "../coherence/invalidation-bus.ts";
import { LeaseWait } from "./lease-wait.ts";
import { cancelled } from "./runner.ts";

export interface JoinOptions {
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Join only work that is not older than this. Default: the lease of the client. */
  readonly maxStalenessMs?: number | undefined;
}

export interface SingleflightDeps {
  readonly namespace: string;
  readonly clock: Clock;
  readonly coherence: Coherence;
  /** Delivers the changes of the namespace while work is in flight. */
  readonly invalidations: Pick<InvalidationBus, "add" | "delete">;
  /** For the fill rule: whether a live subscription covers the namespace. */
  readonly near: { coverage(): number } | undefined;
  /** Counts the callers that join. */
  readonly loads: { loadsShared: number };
}

interface Flight<Result> {
  /** For its callers: what each may have, when there are several. */
  result: Promise<Result>;
  readonly begunAt: Moment;
  readonly coverage: number;
  readonly wait: LeaseWait;
  joined: boolean;
}

export class Singleflight<Result> implements InvalidationListener {
  readonly #deps: SingleflightDeps;
  readonly #share: (result: Result) => Result;
  /**
   * Undefined without a flight: there may be very many singleflights. Changes are listened to while it is there, so that
   * events cost nothing at other times.
   */
  #flights: Map<string, Flight<Result>> | undefined;

  /** `share`: what each of several callers is given of the result. */
  constructor(deps: SingleflightDeps, share: (result: Result) => Result) {
    this.#deps = deps;
    this.#share = share;
  }

  get namespace(): string {
    return this.#deps.namespace;
  }

  /**
   * Joins the work in flight, or begins some. A caller that gives up does not end it. At its deadline a caller ends the wait
   * for a lease; where nobody waits for one, it rejects with DEADLINE.
   */
  join(key: string, options: JoinOptions, begin: (wait: LeaseWait) => Promise<Result>): Promise<Result> {
    const { signal } = options;
    if (signal !== undefined && isAborted(signal)) return Promise.reject(cancelled(signal));
    const running = this.#joinable(key, options.maxStalenessMs);
    if (running === undefined) return this.#waitFor(this.#begin(key, begin), options);
    return this.#waitFor(this.#enter(running), options);
  }

  /**
   * Joins the work in flight, or begins some when none is in flight: waits until what cannot be joined has ended. What has
   * begun after that is from after this call, and is joined however recent it is to be. `begin` is given a function that says
   * whether nothing has changed since that may concern the work.
   */
  async joinOrRun(
    key: string,
    maxStalenessMs: number | undefined,
    begin: (isCurrent: () => boolean) => Promise<Result>,
  ): Promise<{ readonly result: Result; readonly isJoined: boolean }> {
    for (let hasWaited = false; ; hasWaited = true) {
      const running = this.#flights?.get(key);
      if (running === undefined) {
        const begun = this.#begin(key, (wait) => begin(() => this.#flights?.get(key)?.wait === wait));
        return { result: await begun.result, isJoined: false };
      }
      if (hasWaited || this.#joinable(key, maxStalenessMs) !== undefined) {
        return { result: await this.#enter(running).result, isJoined: true };
      }
      await running.result.catch(() => undefined);
    }
  }

  onEvent(change: Change, _event: Event, touched: boolean): void {
    if (!touched) this.invalidate(change.target, change.name);
  }

  invalidate(target: Change["target"], name: string): void {
    const flights = this.#flights;
    if (flights === undefined) return;
    if (target === "key") flights.delete(name);
    else if (target === "prefix") {
      for (const key of flights.keys()) if (key.startsWith(name)) flights.delete(key);
      // Only the loader knows the tags, so a change of a tag may concern every load.
    } else flights.clear();
    this.#stopIfIdle();
  }

  #joinable(key: string, maxStalenessMs = Number.POSITIVE_INFINITY): Flight<Result> | undefined {
    const flight = this.#flights?.get(key);
    if (flight === undefined) return undefined;
    const { clock, coherence } = this.#deps;
    const ageMs = ageOf(flight.begunAt, clock);
    const recent = maxStalenessMs > 0 && ageMs <= maxStalenessMs;
    return recent && coherence.mayShare(ageMs, flight.coverage) ? flight : undefined;
  }

  #enter(flight: Flight<Result>): Flight<Result> {
    flight.joined = true;
    this.#deps.loads.loadsShared += 1;
    return { ...flight, result: flight.result.then(this.#share) };
  }

  #begin(key: string, begin: (wait: LeaseWait) => Promise<Result>): Flight<Result> {
    const begunAt = momentOf(this.#deps.clock);
    const coverage = this.#deps.near?.coverage() ?? NOT_COVERED;
    const wait = new LeaseWait();
    const work = begin(wait);
    const flight: Flight<Result> = { result: work, begunAt, coverage, wait, joined: false };
    if (this.#flights === undefined) {
      this.#flights = new Map();
      this.#deps.invalidations.add(this);
    }
    this.#flights.set(key, flight);
    const remove = () => {
      if (this.#flights?.get(key) !== flight) return;
      this.#flights.delete(key);
      this.#stopIfIdle();
    };
    work.then(remove, remove);
    // Nobody can join any more when this runs. What several callers get, none of them can change for the others.
    const own = work.then((result) => (flight.joined ? this.#share(result) : result));
    return { ...flight, result: own };
  }

  #stopIfIdle(): void {
    if (this.#flights?.size !== 0) return;
    this.#flights = undefined;
    this.#deps.invalidations.delete(this);
  }

  #waitFor({ result, wait }: Flight<Result>, { deadlineMs, signal }: JoinOptions): Promise<Result> {
    if (deadlineMs === undefined && signal === undefined) return result;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      let stopListening: (() => void) | undefined;
      const leave = () => {
        timer?.cancel();
        stopListening?.();
      };
      const give = (error: unknown) => {
        reject(error);
        leave();
      };
      if (deadlineMs !== undefined) {
        timer = this.#deps.clock.schedule(deadlineMs, () => {
          if (!wait.end()) give(new CacheError("DEADLINE", "the value was not loaded by the deadline"));
        });
      }
      // Before a signal is listened to, which may throw: the rejection of the load must have its handler by then.
      result.then((value) => {
        resolve(value);
        leave();
      }, give);
      if (signal !== undefined) stopListening = onAbort(signal, () => give(cancelled(signal)));
    });
  }
}
