/**
 * getOrLoad: the value of a key, loaded from its source when the cache has none. One load at a time for each key: in this
 * process by a singleflight, in the whole mesh by a lease.
 *
 * The server decides what may be stored. A lease ends when its key, a prefix of it, the namespace or a tag of the Set is
 * invalidated while the loader runs. So a value that was loaded before an invalidation is returned to the callers from
 * before it, and is never stored. singleflight.ts decides which callers may share a load.
 *
 * Once a loader has returned, its callers get the value: no failure of storing it reaches them.
 */
import { CacheError, errorNameOf } from "../../common/errors.ts";
import { checkKey } from "../api/checks.ts";
import { keepAfterOf, type Loader, type ManyLoader, toLoaded } from "../api/load-result.ts";
import { runWithin } from "../api/timeouts.ts";
import { type FailedLoad, FailedLoads } from "./failed-loads.ts";
import { type LeaseAnswer, LeaseClient } from "./lease-client.ts";
import type { LeaseWait } from "./lease-wait.ts";
import { LoadGroup } from "./load-group.ts";
import { LoadKeeper } from "./load-keeper.ts";
import { type LoadOptions, type LoadPlan, toLoadPlan } from "./load-options.ts";
import {
  type LoadedEntry,
  type LoadResult,
  type RanLoad,
  shareRan,
  shareResult,
  toResult,
} from "./loaded-entry.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import { isDeadline, isOutage } from "./outage.ts";
import type { EntryReader, Found } from "./reader.ts";
import { isLoaderTimeout, runLoader } from "./run-loader.ts";
import { shapeOf } from "./shaped-value.ts";
import { Singleflight } from "./singleflight.ts";
import type { EntryWriter } from "./writer.ts";

/** The lease lasts this much longer than the loader may take, for the Set to arrive in time. */
const LEASE_MARGIN_MS = 2_000;

/** One load of one key. */
interface KeyLoad<Value> {
  readonly key: string;
  readonly plan: LoadPlan;
  /** Runs the loader. */
  readonly run: () => Promise<RanLoad<Value>>;
  /** Called when it is known whether the key is to be loaded, or waited for. May be called again. */
  readonly asked: () => void;
  /** What it asks the server for waits for room in the window. */
  readonly isOneOfMany: boolean;
}

export class EntryLoader<Value> {
  /** What callers wait for: the server, the lease of another process, and the loader. */
  readonly #calls: Singleflight<LoadResult<Value>>;
  /** Runs of loaders, also those in the background, whose callers have a stale value. */
  readonly #runs: Singleflight<RanLoad<Value>>;
  /** There may be very many loaders: in most of them nothing has failed. */
  #failed: FailedLoads | undefined;
  readonly #context: NamespaceContext<Value>;
  readonly #reader: EntryReader<Value>;
  readonly #keeper: LoadKeeper<Value>;
  readonly #leases: LeaseClient<Value>;
  /** Loads that hold a lease, also those in the background. */
  #filling: Set<Promise<unknown>> | undefined;
  readonly #closing: AbortSignal;

  constructor(
    context: NamespaceContext<Value>,
    reader: EntryReader<Value>,
    writer: EntryWriter<Value>,
    closing: AbortSignal,
  ) {
    this.#calls = new Singleflight(context, shareResult);
    this.#runs = new Singleflight(context, shareRan);
    this.#context = context;
    this.#reader = reader;
    this.#keeper = new LoadKeeper(context, writer);
    this.#leases = new LeaseClient(context, reader);
    this.#closing = closing;
  }

  /** Loads the entry, or shares a load that is in flight. Throws FIELD_INVALID. */
  load(key: string, loader: Loader<Value>, options: LoadOptions): Promise<LoadedEntry<Value>> {
    const { limits } = this.#context.runner;
    const plan = toLoadPlan(options, limits);
    const run = async () => this.#shape(toLoaded(await this.#runLoader(loader, plan)));
    return this.#join({ key: checkKey(key, limits), plan, run, asked: () => undefined, isOneOfMany: false });
  }

  /** Loads the entries, those that nobody else loads in one run of the loader. Throws FIELD_INVALID. */
  loadMany(
    keys: readonly string[],
    loader: ManyLoader<Value>,
    options: LoadOptions,
  ): Promise<LoadedEntry<Value>[]> {
    const plan = toLoadPlan(options, this.#context.runner.limits);
    const group = new LoadGroup<Value>((missing) =>
      this.#runLoader((context) => loader(missing, context), plan),
    );
    const entries = keys.map((key) => {
      const run = async () => this.#shape(await group.load(key));
      const load = { key, plan, run, asked: () => group.asked(key), isOneOfMany: true };
      return this.#join(load, () => group.ask(key));
    });
    return Promise.all(entries);
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async settled(): Promise<void> {
    if (this.#filling !== undefined) await Promise.allSettled(this.#filling);
  }

  async #join(load: KeyLoad<Value>, begins?: () => void): Promise<LoadedEntry<Value>> {
    const kept = this.#keptInOutage(load.key, load.plan);
    if (kept !== undefined) return kept.entry;
    const begin = (wait: LeaseWait) => {
      begins?.();
      return this.#run(load, wait);
    };
    return (await this.#calls.join(load.key, load.plan.join, begin)).entry;
  }

  // ---- One load ----------------------------------------------------------------------------------------

  async #run(load: KeyLoad<Value>, wait: LeaseWait): Promise<LoadResult<Value>> {
    const { key, plan, asked, isOneOfMany } = load;
    const failure = this.#failed?.of(key);
    if (failure !== undefined) {
      asked();
      return this.#coolDown(key, failure);
    }
    let answer: LeaseAnswer<Value>;
    let isHeld = false;
    let stale: Found<Value> | undefined;
    const held = (meanwhile: Found<Value> | undefined) => {
      isHeld = true;
      stale = meanwhile;
      asked();
    };
    try {
      const acquired = this.#leases.acquire(key, {
        waitMs: plan.waitMs,
        staleWaitMs: plan.softTimeoutMs,
        leaseMs: plan.hardTimeoutMs + LEASE_MARGIN_MS,
        wait,
        held,
        isOneOfMany,
      });
      answer = await wait.over(acquired, () => stale && { kind: "found", found: stale });
    } catch (error) {
      asked();
      if (!isOutage(error)) throw error;
      // The outage may have begun since.
      const kept = this.#keptInOutage(key, plan);
      if (kept !== undefined) return kept;
      if (!plan.failOpen) throw error;
      return this.#loadUnkept(load, isHeld && isDeadline(error) ? "held" : "outage", error);
    }
    asked();
    switch (answer.kind) {
      case "found":
        return this.#served(answer.found);
      case "granted":
        return this.#fill(load, answer.token, answer.stale);
      case "undecodable": {
        const { result, isJoined } = await this.#runOnce(load);
        // The entry is fresh, so the server grants no lease. The Set replaces this version or nothing.
        return isJoined
          ? toResult(result, plan.entry)
          : this.#keeper.keep(load, result, { when: answer.when });
      }
      default:
        return answer satisfies never;
    }
  }

  /** The loader failed a moment ago: what the cache has, stale too, or the same error. */
  async #coolDown(key: string, failure: FailedLoad): Promise<LoadResult<Value>> {
    try {
      const found = await this.#reader.fetch(key, { allowStale: true });
      if (found.outcome.kind !== "miss") return this.#served(found);
    } catch (reading) {
      if (!isOutage(reading)) throw reading;
    }
    throw this.#repeated(failure);
  }

  #repeated({ error }: FailedLoad): unknown {
    this.#context.loads.failuresRepeated += 1;
    return error;
  }

  async #fill(
    load: KeyLoad<Value>,
    token: bigint,
    stale: Found<Value> | undefined,
  ): Promise<LoadResult<Value>> {
    const filling = this.#fillLease(load, token);
    const ended = filling.catch(() => undefined);
    this.#filling ??= new Set();
    this.#filling.add(ended);
    void ended.then(() => this.#filled(ended));
    if (stale === undefined) return filling;
    const { softTimeoutMs } = load.plan;
    // A stale value is also served when the loader fails. The failure is counted, and its cooldown begins.
    const first =
      softTimeoutMs === 0 ? undefined : await runWithin(this.#context.clock, softTimeoutMs, ended);
    return first ?? this.#served(stale);
  }

  #filled(ended: Promise<unknown>): void {
    this.#filling?.delete(ended);
    if (this.#filling?.size === 0) this.#filling = undefined;
  }

  /** After a release the server grants the lease to the next waiter at once, not only when it expires. */
  async #fillLease(load: KeyLoad<Value>, token: bigint): Promise<LoadResult<Value>> {
    const release = () => this.#leases.release(load.key, token);
    try {
      const { result, isJoined } = await this.#runOnce(load);
      if (!isJoined) {
        const keepAfter = keepAfterOf(result.loaded);
        if (keepAfter !== undefined) await keepAfter;
        return await this.#keeper.keep(load, result, { leaseToken: token }, release);
      }
      // It was begun before the lease was granted, so it may not be stored by it.
      release();
      return toResult(result, load.plan.entry);
    } catch (error) {
      release();
      throw error;
    }
  }

  /** Runs the loader without a lease. */
  async #loadUnkept(
    load: KeyLoad<Value>,
    reason: "held" | "outage",
    error: CacheError,
  ): Promise<LoadResult<Value>> {
    const { result, isJoined } = await this.#runOnce(load);
    // That nobody answers, events of the connection say better.
    const said = reason === "outage" && error.reason !== "UNAVAILABLE" ? error : undefined;
    if (!isJoined) this.#context.unkept.count(this.#context.namespace, reason, said);
    return this.#keeper.unkept(load.plan, result);
  }

  /** Runs the loader, or shares a run in flight: at most one for a key, whatever the reasons of its callers. */
  async #runOnce({ key, plan, run }: KeyLoad<Value>) {
    return this.#runs.joinOrRun(key, plan.join.maxStalenessMs, async (isCurrent) => {
      // It may have failed while this caller waited for it, for the server or for a lease.
      const failure = this.#failed?.of(key);
      if (failure !== undefined) throw this.#repeated(failure);
      const { coherence } = this.#context;
      const begun = { atMs: coherence.nowMs(), generation: coherence.generation };
      try {
        const ran = await run();
        this.#failed?.succeeded(key);
        if (isCurrent()) this.#keeper.keepInOutage(key, plan, ran, begun);
        return ran;
      } catch (error) {
        if (!this.#closing.aborted) this.#loadFailed(key, error);
        throw error;
      }
    });
  }

  #loadFailed(key: string, error: unknown): void {
    const { namespace, options, report } = this.#context;
    this.#failed ??= this.#createFailed();
    this.#failed.failed(key, error);
    report({
      kind: "loadFailed",
      namespace,
      reason: isLoaderTimeout(error) ? "timedOut" : "threw",
      error: errorNameOf(error),
      cooldownMs: options.failureCooldownMs,
    });
  }

  #createFailed(): FailedLoads {
    const { clock, rng, options, loads, report, namespace } = this.#context;
    return new FailedLoads({
      clock,
      rng,
      cooldownMs: options.failureCooldownMs,
      onForget: () => {
        loads.failuresForgotten += 1;
        report({ kind: "overflow", reason: "failedLoads", namespace });
      },
    });
  }

  #runLoader<Result>(loader: (context: { signal: AbortSignal }) => Result | Promise<Result>, plan: LoadPlan) {
    return runLoader(this.#context, loader, plan.hardTimeoutMs, this.#closing);
  }

  #shape(loaded: RanLoad<Value>["loaded"]): RanLoad<Value> {
    return { loaded, shape: shapeOf(this.#context, loaded) };
  }

  // ---- Outages ------------------------------------------------------------------------------------------

  /** What may be served because there is an outage. A kept miss is loaded. */
  #keptInOutage(key: string, { join: { maxStalenessMs } }: LoadPlan): LoadResult<Value> | undefined {
    const copy = this.#reader.outageCopy(key, maxStalenessMs === undefined ? {} : { maxStalenessMs });
    if (copy === undefined) return undefined;
    const entry = this.#reader.outageEntry(copy);
    if (entry.kind === "miss") return undefined;
    return { entry, another: entry.kind === "hit" ? () => this.#context.values.value(copy) : undefined };
  }

  #served(found: Found<Value>): LoadResult<Value> {
    const { loads, values } = this.#context;
    const entry = this.#reader.entry(found, "remote");
    if (entry.kind === "miss") throw new CacheError("INTERNAL", "the lease was answered with a miss");
    if (entry.stale) loads.staleServed += 1;
    const { encoded } = found.reading;
    if (entry.kind !== "hit" || encoded === undefined) return { entry, another: undefined };
    const { value } = entry;
    let shareable: boolean | undefined;
    const another = () => {
      shareable ??= values.isShareable(value);
      return shareable ? value : values.decodeBorrowed(encoded).hit.value;
    };
    return { entry, another };
  }
}
