/**
 * getOrLoad: the value of a key, loaded from its source when the cache has none. One load for each key in this
 * process (a flight), and one in the mesh (a lease).
 *
 * What may be stored is decided by the server: a lease dies when the key, a tag named at the Set, its prefix
 * or its namespace is invalidated while the loader runs, so a value loaded before an invalidation is returned
 * to who asked before it, and never kept. What may be *shared* is decided here: a flight is left behind by
 * every change that may concern its key, so nobody who asks after the change is answered from before it.
 */
import type { Event } from "../../gen/meshcache/v1/cache_pb.ts";
import type { Timer } from "../clock.ts";
import { CacheError } from "../errors.ts";
import type { Change } from "./coherence.ts";
import type { EntryReader, Found } from "./entry-reader.ts";
import type { EntryWriter } from "./entry-writer.ts";
import type { Holder } from "./holders.ts";
import { type LeaseAnswer, Leases } from "./leases.ts";
import { checkKey, checkWhole } from "./options.ts";
import type { Entry } from "./outcomes.ts";
import type { Realm } from "./realm.ts";
import { type CallOptions, cancelled } from "./remote.ts";
import { runWithin } from "./timeouts.ts";

/** What a loader may say about the value that it loaded; each one wins over the options of the call. */
export interface LoadedOptions {
  readonly ttlMs?: number;
  readonly staleMs?: number;
  readonly tags?: readonly string[];
  readonly sourceVersion?: bigint;
}

const LOADED: unique symbol = Symbol("meshcache.loaded");

/** A loaded value with what the loader says about it. Made by `loaded` and `absent`. */
export interface Loaded<Value> {
  readonly [LOADED]: true;
  readonly value: Value | undefined;
  readonly absent: boolean;
  readonly options: LoadedOptions;
}

/** For a loader that decides lifetimes and tags: `return loaded(user, { tags: user.groups })`. */
export function loaded<Value>(value: Value, options: LoadedOptions): Loaded<Value> {
  return { [LOADED]: true, value, absent: false, options };
}

/** For a loader whose source has no such record. Returning undefined says the same. */
export function absent(options: LoadedOptions = {}): Loaded<never> {
  return { [LOADED]: true, value: undefined, absent: true, options };
}

export interface LoadContext {
  /** Aborted when the loader has taken longer than it may, or the client is closed. */
  readonly signal: AbortSignal;
}

/** Undefined: the source has no such record. */
export type Loader<Value> = (
  context: LoadContext,
) => Value | undefined | Loaded<Value> | Promise<Value | undefined | Loaded<Value>>;

export interface LoadOptions extends CallOptions, LoadedOptions {
  /** As in a read. */
  readonly maxStalenessMs?: number;
  /** When there is a stale value: how long to wait for a fresh one before it is served. Default 0: not at all. */
  readonly softTimeoutMs?: number;
  /** How long the loader may take, after which it is given up with LOADER_TIMEOUT. 1 to 58,000; default 10,000. */
  readonly hardTimeoutMs?: number;
  /**
   * How long to wait for another process's load: 0 to 600,000; default 30,000. A process that dies while it
   * loads holds its lease for `hardTimeoutMs` and 2 s; a shorter wait than that makes its death felt.
   */
  readonly waitMs?: number;
  /** When no server answers: run the loader and keep nothing (true, the default), or fail. */
  readonly failOpen?: boolean;
}

/** An entry that nobody stored has no version. */
export type LoadedEntry<Value> = Exclude<Entry<Value>, { kind: "miss" }>;

interface Flight<Value> {
  readonly entry: Promise<LoadedEntry<Value>>;
}

/** What the lease takes beyond the loader: the Set must arrive before it ends. */
const LEASE_MARGIN_MS = 2_000;
const HARD_TIMEOUT_MAX_MS = 58_000;
const LONGEST_WAIT_MS = 600_000;

export class EntryLoader<Value> implements Holder {
  readonly namespace: string;
  readonly #realm: Realm<Value>;
  readonly #reader: EntryReader<Value>;
  readonly #writer: EntryWriter<Value>;
  readonly #leases: Leases<Value>;
  readonly #flights = new Map<string, Flight<Value>>();
  /** Loads that hold a lease, in the background too. */
  readonly #loads = new Set<Promise<unknown>>();
  readonly #closing: AbortSignal;

  constructor(
    realm: Realm<Value>,
    reader: EntryReader<Value>,
    writer: EntryWriter<Value>,
    closing: AbortSignal,
  ) {
    this.namespace = realm.namespace;
    this.#realm = realm;
    this.#reader = reader;
    this.#writer = writer;
    this.#leases = new Leases(realm, reader);
    this.#closing = closing;
  }

  // ---- Flights -------------------------------------------------------------------------------------------

  /** Joins the key's flight, or begins one. A caller that gives up leaves the flight to the others. */
  load(key: string, loader: Loader<Value>, options: LoadOptions): Promise<LoadedEntry<Value>> {
    checkKey(key);
    const { loads } = this.#realm;
    const running = this.#flights.get(key);
    if (running !== undefined) loads.loadsShared += 1;
    const flight = running ?? this.#begin(key, loader, options);
    return this.#accompany(flight.entry, options);
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async landed(): Promise<void> {
    await Promise.allSettled(this.#loads);
  }

  changed(change: Change, _event: Event, touched: boolean): void {
    if (!touched) this.forget(change.target, change.name);
  }

  forget(target: Change["target"], name: string): void {
    if (this.#flights.size === 0) return;
    if (target === "key") this.#flights.delete(name);
    else if (target === "prefix") {
      for (const key of this.#flights.keys()) if (key.startsWith(name)) this.#flights.delete(key);
      // Which tags a load will have is known to its loader alone.
    } else this.#flights.clear();
  }

  #begin(key: string, loader: Loader<Value>, options: LoadOptions): Flight<Value> {
    const flight: Flight<Value> = { entry: this.#run(key, loader, options) };
    this.#flights.set(key, flight);
    const land = () => {
      if (this.#flights.get(key) === flight) this.#flights.delete(key);
    };
    flight.entry.then(land, land);
    return flight;
  }

  #accompany<Result>(shared: Promise<Result>, { deadlineMs, signal }: CallOptions): Promise<Result> {
    if (deadlineMs === undefined && signal === undefined) return shared;
    if (signal?.aborted) return Promise.reject(cancelled(signal));
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
        checkWhole("deadlineMs", deadlineMs, 1, LONGEST_WAIT_MS);
        timer = this.#realm.clock.schedule(deadlineMs, () =>
          give(new CacheError("DEADLINE", "the value was not loaded by the deadline")),
        );
      }
      shared.then((result) => {
        leave();
        resolve(result);
      }, give);
    });
  }

  // ---- One flight ----------------------------------------------------------------------------------------

  async #run(key: string, loader: Loader<Value>, options: LoadOptions): Promise<LoadedEntry<Value>> {
    const hardTimeoutMs = checkWhole(
      "hardTimeoutMs",
      options.hardTimeoutMs ?? 10_000,
      1,
      HARD_TIMEOUT_MAX_MS,
    );
    const waitMs = checkWhole("waitMs", options.waitMs ?? 30_000, 0, LONGEST_WAIT_MS);
    let answer: LeaseAnswer<Value>;
    try {
      answer = await this.#leases.acquire(key, waitMs, hardTimeoutMs + LEASE_MARGIN_MS);
    } catch (error) {
      if (!isOutage(error) || options.failOpen === false) throw error;
      return this.#loadUnkept(loader, options, hardTimeoutMs);
    }
    switch (answer.kind) {
      case "found":
        return this.#served(answer.found);
      case "granted":
        return this.#fill(key, answer.token, answer.stale, loader, options, hardTimeoutMs);
      case "undecodable":
        // The entry is there and fresh, so there is no lease to be had: replace that very version, or nothing.
        return this.#replace(key, answer.when, loader, options, hardTimeoutMs);
      default:
        return answer satisfies never;
    }
  }

  async #fill(
    key: string,
    token: bigint,
    stale: Found<Value> | undefined,
    loader: Loader<Value>,
    options: LoadOptions,
    hardTimeoutMs: number,
  ): Promise<LoadedEntry<Value>> {
    const load = this.#load(loader, hardTimeoutMs).then((value) =>
      this.#store(key, value, options, { leaseToken: token }),
    );
    // Whoever waits for the lease is promoted at once instead of when it expires.
    const ended = load.catch(() => this.#leases.release(key, token));
    this.#loads.add(ended);
    void ended.then(() => this.#loads.delete(ended));
    if (stale === undefined) return load;
    const softTimeoutMs = checkWhole("softTimeoutMs", options.softTimeoutMs ?? 0, 0, LONGEST_WAIT_MS);
    // A stale value also stands in for a loader that fails. The failure is counted, and the next caller retries.
    const fresh = load.catch(() => undefined);
    const first = softTimeoutMs === 0 ? undefined : await runWithin(this.#realm.clock, softTimeoutMs, fresh);
    return first ?? this.#served(stale);
  }

  async #replace(
    key: string,
    when: { readonly epoch: bigint; readonly revision: number },
    loader: Loader<Value>,
    options: LoadOptions,
    hardTimeoutMs: number,
  ): Promise<LoadedEntry<Value>> {
    return this.#store(key, await this.#load(loader, hardTimeoutMs), options, { when });
  }

  async #loadUnkept(
    loader: Loader<Value>,
    options: LoadOptions,
    hardTimeoutMs: number,
  ): Promise<LoadedEntry<Value>> {
    const load = await this.#load(loader, hardTimeoutMs);
    this.#realm.loads.loadsUnkept += 1;
    return unstored(load, { ...options, ...load.options });
  }

  /** Runs the loader, for as long as it may take. */
  async #load(loader: Loader<Value>, hardTimeoutMs: number): Promise<Loaded<Value>> {
    const { clock, loads, namespace, telemetry } = this.#realm;
    const giveUp = new AbortController();
    const { signal } = giveUp;
    loads.loads += 1;
    try {
      const running = telemetry.load(namespace, async () => loader({ signal }));
      const outcome = await runWithin(clock, hardTimeoutMs, running.then(toLoaded), this.#closing);
      if (outcome !== undefined) return outcome;
      const bound = String(hardTimeoutMs);
      throw this.#closing.aborted
        ? new CacheError("CLOSED", "the client was closed during the load")
        : new CacheError("LOADER_TIMEOUT", `the loader took longer than ${bound} ms`, {
            limit: "hardTimeoutMs",
            bound,
          });
    } catch (error) {
      loads.loadFailures += 1;
      giveUp.abort(error);
      throw error;
    }
  }

  /** Stores a loaded value under its lease. Its callers get it whether it could be stored or not. */
  async #store(
    key: string,
    load: Loaded<Value>,
    callOptions: LoadOptions,
    condition: { readonly leaseToken: bigint } | { readonly when: LoadedEntry<Value>["version"] },
  ): Promise<LoadedEntry<Value>> {
    const { deadlineMs: _deadline, signal: _signal, ...lifetimes } = { ...callOptions, ...load.options };
    const encoded = this.#writer.encode(load.value, load.absent);
    const ttlMs = this.#jittered(lifetimes.ttlMs, load.absent);
    const staleMs = load.absent ? 0 : lifetimes.staleMs;
    const { loads } = this.#realm;
    try {
      const outcome = await this.#writer.set(
        key,
        encoded,
        {
          ttlMs,
          ...(staleMs === undefined ? {} : { staleMs: ttlMs === 0 ? 0 : staleMs }),
          ...(lifetimes.tags === undefined ? {} : { tags: lifetimes.tags }),
          ...(lifetimes.sourceVersion === undefined ? {} : { sourceVersion: lifetimes.sourceVersion }),
          ...("when" in condition && condition.when !== undefined ? { when: condition.when } : {}),
        },
        "leaseToken" in condition ? condition.leaseToken : undefined,
      );
      if (outcome.kind === "stored") {
        return {
          ...unstored(load, lifetimes),
          version: outcome.version,
          ttlRemainingMs: ttlMs || Number.POSITIVE_INFINITY,
        };
      }
    } catch (error) {
      if (!isOutage(error) || callOptions.failOpen === false) throw error;
    }
    loads.loadsUnkept += 1;
    return unstored(load, lifetimes);
  }

  /** Shortened, never lengthened: what the caller said is the longest that the value may live. */
  #jittered(given: number | undefined, isAbsent: boolean): number {
    const { options, rng } = this.#realm;
    const ttlMs = given ?? (isAbsent ? options.negativeTtlMs : options.ttlMs);
    return Math.ceil(ttlMs * (1 - options.ttlJitter * rng.fraction()));
  }

  #served(found: Found<Value>): LoadedEntry<Value> {
    const entry = this.#reader.entry(found, "remote");
    if (entry.kind === "miss") throw new CacheError("INTERNAL", "a lease answered with nothing");
    if (entry.stale) this.#realm.loads.staleServed += 1;
    return entry;
  }
}

/** The cache's trouble, not the caller's: the loader can do without it. */
function isOutage(error: unknown): boolean {
  if (!(error instanceof CacheError)) return false;
  switch (error.reason) {
    case "UNAVAILABLE":
    case "DEADLINE":
    case "LIMIT_EXCEEDED":
    case "DRAINING":
    case "INTERNAL":
      return true;
    case "FIELD_INVALID":
    case "CANCELLED":
    case "CLOSED":
    case "CODEC":
    case "LOADER_TIMEOUT":
      return false;
    default:
      return error.reason satisfies never;
  }
}

function toLoaded<Value>(result: Value | undefined | Loaded<Value>): Loaded<Value> {
  if (typeof result === "object" && result !== null && LOADED in result) return result;
  return result === undefined ? absent() : loaded(result, {});
}

/** The entry that a loaded value is while no server has stored it. */
function unstored<Value>(load: Loaded<Value>, options: LoadedOptions): LoadedEntry<Value> {
  const facts = {
    version: undefined,
    sourceVersion: options.sourceVersion ?? 0n,
    ageMs: 0,
    ttlRemainingMs: 0,
    stale: false,
    tags: options.tags ?? [],
    contentType: "",
    source: "loader",
  } as const;
  if (load.absent || load.value === undefined) return { kind: "absent", ...facts };
  return { kind: "hit", value: load.value, ...facts };
}
