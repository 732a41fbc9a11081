/**
 * Singleflight: at most one load in flight for each key of a namespace in this process. A caller joins the
 * load in flight unless the key may have changed since the load began: after a change that may concern the
 * key, or when a change may have been missed, a caller begins a load of its own. A flight is one load and its
 * callers.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { checkWhole } from "../api/checks.ts";
import { isAborted, onAbort } from "../api/signals.ts";
import type { Change, Coherence } from "../coherence/coherence.ts";
import type { InvalidationBus, InvalidationListener } from "../coherence/invalidation-bus.ts";
import { cancelled } from "./runner.ts";

export interface JoinOptions {
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Join only a load that is not older than this. Default: the lease of the client. */
  readonly maxStalenessMs?: number | undefined;
}

export interface SingleflightDeps<Result> {
  readonly namespace: string;
  readonly clock: Clock;
  readonly coherence: Coherence;
  /** Delivers the changes of the namespace while a load is in flight. */
  readonly invalidations: Pick<InvalidationBus, "add" | "delete">;
  /** For the fill rule: whether a live subscription covers the namespace. */
  coverage(): number;
  /** What a caller that joins is given of the result. */
  share(result: Result): Result;
  /** Called when a caller joins a load. */
  onJoin(): void;
}

interface Flight<Result> {
  readonly result: Promise<Result>;
  readonly begunAtMs: number;
  readonly coverage: number;
}

const LONGEST_DEADLINE_MS = 600_000;

export class Singleflight<Result> implements InvalidationListener {
  readonly namespace: string;
  readonly #deps: SingleflightDeps<Result>;
  readonly #flights = new Map<string, Flight<Result>>();
  #isListening = false;

  constructor(deps: SingleflightDeps<Result>) {
    this.namespace = deps.namespace;
    this.#deps = deps;
  }

  /** Joins the load in flight, or begins one. A caller that gives up does not end the load. */
  join(key: string, options: JoinOptions, begin: () => Promise<Result>): Promise<Result> {
    const { signal, deadlineMs } = options;
    if (signal !== undefined && isAborted(signal)) return Promise.reject(cancelled(signal));
    if (deadlineMs !== undefined) checkWhole("deadlineMs", deadlineMs, 1, LONGEST_DEADLINE_MS);
    const running = this.#joinable(key, options.maxStalenessMs);
    if (running === undefined) return this.#waitFor(this.#begin(key, begin), options);
    this.#deps.onJoin();
    return this.#waitFor(running.result.then(this.#deps.share), options);
  }

  onEvent(change: Change, _event: Event, touched: boolean): void {
    if (!touched) this.invalidate(change.target, change.name);
  }

  invalidate(target: Change["target"], name: string): void {
    if (target === "key") this.#flights.delete(name);
    else if (target === "prefix") {
      for (const key of this.#flights.keys()) if (key.startsWith(name)) this.#flights.delete(key);
      // Only the loader knows the tags, so a change of a tag may concern every load.
    } else this.#flights.clear();
    this.#updateListening();
  }

  #joinable(key: string, maxStalenessMs = Number.POSITIVE_INFINITY): Flight<Result> | undefined {
    const flight = this.#flights.get(key);
    if (flight === undefined) return undefined;
    const { clock, coherence } = this.#deps;
    const nowMs = clock.nowMs();
    const recent = maxStalenessMs > 0 && nowMs - flight.begunAtMs <= maxStalenessMs;
    return recent && coherence.mayShare(flight.begunAtMs, flight.coverage, nowMs) ? flight : undefined;
  }

  #begin(key: string, begin: () => Promise<Result>): Promise<Result> {
    const begunAtMs = this.#deps.clock.nowMs();
    const coverage = this.#deps.coverage();
    const flight: Flight<Result> = { result: begin(), begunAtMs, coverage };
    this.#flights.set(key, flight);
    this.#updateListening();
    const remove = () => {
      if (this.#flights.get(key) !== flight) return;
      this.#flights.delete(key);
      this.#updateListening();
    };
    flight.result.then(remove, remove);
    return flight.result;
  }

  /** Listens only while a load is in flight, so that events cost nothing at other times. */
  #updateListening(): void {
    const isListening = this.#flights.size > 0;
    if (isListening === this.#isListening) return;
    this.#isListening = isListening;
    if (isListening) this.#deps.invalidations.add(this);
    else this.#deps.invalidations.delete(this);
  }

  #waitFor(shared: Promise<Result>, { deadlineMs, signal }: JoinOptions): Promise<Result> {
    if (deadlineMs === undefined && signal === undefined) return shared;
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
        timer = this.#deps.clock.schedule(deadlineMs, () =>
          give(new CacheError("DEADLINE", "the value was not loaded by the deadline")),
        );
      }
      // Before a signal is listened to, which may throw: the rejection of the load must have its handler by then.
      shared.then((result) => {
        resolve(result);
        leave();
      }, give);
      if (signal !== undefined) stopListening = onAbort(signal, () => give(cancelled(signal)));
    });
  }
}
