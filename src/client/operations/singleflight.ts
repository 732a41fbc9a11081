/**
 * Singleflight: the loads of a namespace that this process has under way. Who asks for a key while it is loaded
 * shares the load, unless something may have changed since it began: a flight is left behind by every change
 * that may concern its key, and by silence, since a change may then have been missed.
 */
import type { Event } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { checkWhole } from "../api/checks.ts";
import type { Change, Coherence } from "../coherence/coherence.ts";
import type { InvalidationBus, InvalidationListener } from "../coherence/invalidation-bus.ts";
import { cancelled } from "./runner.ts";

export interface JoinOptions {
  readonly deadlineMs?: number | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Share only a load that began so recently. Default: the client's lease. */
  readonly maxStalenessMs?: number | undefined;
}

export interface SingleflightDeps<Result> {
  readonly namespace: string;
  readonly clock: Clock;
  readonly coherence: Coherence;
  /** Where the flights hear of changes, while there are any. */
  readonly invalidations: Pick<InvalidationBus, "add" | "delete">;
  /** Of the fill rule: whether changes of the namespace are heard now. */
  coverage(): number;
  /** What one more caller is given of a result that somebody else has. */
  share(result: Result): Result;
  /** A caller shared a load. */
  shared(): void;
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
  #listens = false;

  constructor(deps: SingleflightDeps<Result>) {
    this.namespace = deps.namespace;
    this.#deps = deps;
  }

  /** Joins the key's flight, or begins one. A caller that gives up leaves the flight to the others. */
  join(key: string, options: JoinOptions, begin: () => Promise<Result>): Promise<Result> {
    const { signal, deadlineMs } = options;
    if (signal?.aborted) return Promise.reject(cancelled(signal));
    if (deadlineMs !== undefined) checkWhole("deadlineMs", deadlineMs, 1, LONGEST_DEADLINE_MS);
    const running = this.#joinable(key, options.maxStalenessMs);
    if (running === undefined) return this.#waitFor(this.#begin(key, begin), options);
    this.#deps.shared();
    return this.#waitFor(running.result.then(this.#deps.share), options);
  }

  onEvent(change: Change, _event: Event, touched: boolean): void {
    if (!touched) this.invalidate(change.target, change.name);
  }

  invalidate(target: Change["target"], name: string): void {
    if (target === "key") this.#flights.delete(name);
    else if (target === "prefix") {
      for (const key of this.#flights.keys()) if (key.startsWith(name)) this.#flights.delete(key);
      // Which tags a load will have is known to its loader alone.
    } else this.#flights.clear();
    this.#listen();
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
    this.#listen();
    const remove = () => {
      if (this.#flights.get(key) !== flight) return;
      this.#flights.delete(key);
      this.#listen();
    };
    flight.result.then(remove, remove);
    return flight.result;
  }

  /** Whoever only subscribes pays for its events, and not for loads that there are none of. */
  #listen(): void {
    const listens = this.#flights.size > 0;
    if (listens === this.#listens) return;
    this.#listens = listens;
    if (listens) this.#deps.invalidations.add(this);
    else this.#deps.invalidations.delete(this);
  }

  #waitFor(shared: Promise<Result>, { deadlineMs, signal }: JoinOptions): Promise<Result> {
    if (deadlineMs === undefined && signal === undefined) return shared;
    return new Promise((resolve, reject) => {
      let timer: Timer | undefined;
      const leave = () => {
        timer?.cancel();
        signal?.removeEventListener("abort", onAbort);
      };
      const give = (error: unknown) => {
        leave();
        reject(error);
      };
      const onAbort = () => {
        if (signal !== undefined) give(cancelled(signal));
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      if (deadlineMs !== undefined) {
        timer = this.#deps.clock.schedule(deadlineMs, () =>
          give(new CacheError("DEADLINE", "the value was not loaded by the deadline")),
        );
      }
      shared.then((result) => {
        leave();
        resolve(result);
      }, give);
    });
  }
}
