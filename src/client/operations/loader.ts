/**
 * getOrLoad: the value of a key, loaded from its source when the cache has none. One load for each key in this
 * process (a flight), and one in the mesh (a lease).
 *
 * What may be stored is decided by the server: a lease dies when the key, a tag named at the Set, its prefix
 * or its namespace is invalidated while the loader runs, so a value loaded before an invalidation is returned
 * to who asked before it, and never kept. What may be *shared* is decided in flights.ts.
 */
import { CacheError } from "../../common/errors.ts";
import {
  checkEntryTags,
  checkFlag,
  checkKey,
  checkLifetimeMs,
  checkOptions,
  checkSignal,
  checkStalenessMs,
  checkUint64,
  checkWhole,
  unreadable,
} from "../api/checks.ts";
import { type Loaded, type LoadedOptions, type Loader, toLoaded } from "../api/load-result.ts";
import type { Entry } from "../api/results.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { runWithin } from "../api/timeouts.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import { type LeaseAnswer, Leases } from "./lease-client.ts";
import type { Realm } from "./namespace-context.ts";
import type { EntryReader, Found } from "./reader.ts";
import type { CallOptions } from "./runner.ts";
import { Flights } from "./singleflight.ts";
import type { EntryWriter } from "./writer.ts";

export interface LoadOptions extends CallOptions, LoadedOptions {
  /** As in a read. */
  readonly maxStalenessMs?: number;
  /** When there is a stale value: how long to wait for a fresh one before it is served. Default 0: not at all. */
  readonly softTimeoutMs?: number;
  /**
   * How long the loader may take, after which it is given up with LOADER_TIMEOUT. 1 to 600,000; default 10,000. The value
   * of a loader that takes longer than the server's longest lease (60 s unless configured) is returned and not stored.
   */
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

/** What the lease takes beyond the loader: the Set must arrive before it ends. */
const LEASE_MARGIN_MS = 2_000;
const LONGEST_WAIT_MS = 600_000;

/** A load's options with their defaults. */
interface LoadPlan<Value> {
  readonly key: string;
  readonly loader: Loader<Value>;
  readonly entry: LoadedOptions;
  readonly failOpen: boolean;
  readonly softTimeoutMs: number;
  readonly hardTimeoutMs: number;
  readonly waitMs: number;
}

export class EntryLoader<Value> {
  readonly #flights: Flights<LoadedEntry<Value>>;
  readonly #realm: Realm<Value>;
  readonly #reader: EntryReader<Value>;
  readonly #writer: EntryWriter<Value>;
  readonly #leases: Leases<Value>;
  /** Loads that hold a lease, in the background too. */
  readonly #loads = new Set<Promise<unknown>>();
  readonly #closing: AbortSignal;

  constructor(
    realm: Realm<Value>,
    reader: EntryReader<Value>,
    writer: EntryWriter<Value>,
    closing: AbortSignal,
  ) {
    const { namespace, clock, coherence, holders, near, loads } = realm;
    this.#flights = new Flights({
      namespace,
      clock,
      coherence,
      holders,
      coverage: () => near?.coverage() ?? NOT_COVERED,
      share: (entry) => this.#shared(entry),
      shared: () => {
        loads.loadsShared += 1;
      },
    });
    this.#realm = realm;
    this.#reader = reader;
    this.#writer = writer;
    this.#leases = new Leases(realm, reader);
    this.#closing = closing;
  }

  /** Loads the entry, or shares the load of it that is under way. Throws FIELD_INVALID. */
  load(key: string, loader: Loader<Value>, options: LoadOptions): Promise<LoadedEntry<Value>> {
    const { limits } = this.#realm.remote;
    const plan: LoadPlan<Value> = {
      key: checkKey(key, limits),
      loader,
      entry: checkLoaded(options, limits),
      failOpen: checkFlag("failOpen", options.failOpen, true),
      softTimeoutMs: checkWhole("softTimeoutMs", options.softTimeoutMs ?? 0, 0, LONGEST_WAIT_MS),
      hardTimeoutMs: checkWhole("hardTimeoutMs", options.hardTimeoutMs ?? 10_000, 1, LONGEST_WAIT_MS),
      waitMs: checkWhole("waitMs", options.waitMs ?? 30_000, 0, LONGEST_WAIT_MS),
    };
    const joining = {
      deadlineMs: options.deadlineMs ?? undefined,
      signal: checkSignal(options.signal),
      maxStalenessMs: checkStalenessMs(options.maxStalenessMs),
    };
    return this.#flights.join(key, joining, () => this.#run(plan));
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async landed(): Promise<void> {
    await Promise.allSettled(this.#loads);
  }

  /** Of one load each caller gets a value that no other can write to. */
  #shared(entry: LoadedEntry<Value>): LoadedEntry<Value> {
    if (entry.kind !== "hit") return entry;
    return { ...entry, value: this.#realm.copies.forAnother(entry.value) };
  }

  // ---- One flight ----------------------------------------------------------------------------------------

  async #run(plan: LoadPlan<Value>): Promise<LoadedEntry<Value>> {
    const { key, failOpen, hardTimeoutMs, waitMs } = plan;
    let answer: LeaseAnswer<Value>;
    try {
      answer = await this.#leases.acquire(key, waitMs, hardTimeoutMs + LEASE_MARGIN_MS);
    } catch (error) {
      if (!isOutage(error) || !failOpen) throw error;
      return this.#loadUnkept(plan);
    }
    switch (answer.kind) {
      case "found":
        return this.#served(answer.found);
      case "granted":
        return this.#fill(plan, answer.token, answer.stale);
      case "undecodable":
        // The entry is there and fresh, so there is no lease to be had: replace that very version, or nothing.
        return this.#store(plan, await this.#load(plan), { when: answer.when });
      default:
        return answer satisfies never;
    }
  }

  async #fill(
    plan: LoadPlan<Value>,
    token: bigint,
    stale: Found<Value> | undefined,
  ): Promise<LoadedEntry<Value>> {
    const load = this.#load(plan).then((value) => this.#store(plan, value, { leaseToken: token }));
    // Whoever waits for the lease is promoted at once instead of when it expires.
    const ended = load.catch(() => this.#leases.release(plan.key, token));
    this.#loads.add(ended);
    void ended.then(() => this.#loads.delete(ended));
    if (stale === undefined) return load;
    const { softTimeoutMs } = plan;
    // A stale value also stands in for a loader that fails. The failure is counted, and the next caller retries.
    const fresh = load.catch(() => undefined);
    const first = softTimeoutMs === 0 ? undefined : await runWithin(this.#realm.clock, softTimeoutMs, fresh);
    return first ?? this.#served(stale);
  }

  async #loadUnkept(plan: LoadPlan<Value>): Promise<LoadedEntry<Value>> {
    const load = await this.#load(plan);
    this.#realm.loads.loadsUnkept += 1;
    return unstored(load, { ...plan.entry, ...load.options });
  }

  /** Runs the loader, for as long as it may take. */
  async #load({ loader, hardTimeoutMs }: LoadPlan<Value>): Promise<Loaded<Value>> {
    const { clock, loads, namespace, remote, telemetry } = this.#realm;
    const giveUp = new AbortController();
    const { signal } = giveUp;
    loads.loads += 1;
    try {
      const running = telemetry.load(namespace, async () => loader({ signal }));
      const outcome = await runWithin(clock, hardTimeoutMs, running.then(toLoaded), this.#closing);
      if (outcome !== undefined) return { ...outcome, options: checkLoaded(outcome.options, remote.limits) };
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
    { key, entry, failOpen }: LoadPlan<Value>,
    load: Loaded<Value>,
    condition: { readonly leaseToken: bigint } | { readonly when: LoadedEntry<Value>["version"] },
  ): Promise<LoadedEntry<Value>> {
    const lifetimes: LoadedOptions = { ...entry, ...load.options };
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
      if (!isOutage(error) || !failOpen) throw error;
    }
    loads.loadsUnkept += 1;
    return unstored(load, lifetimes);
  }

  /** Shortened, never lengthened: what the caller said is the longest that the value may live. */
  #jittered(given: number | undefined, isAbsent: boolean): number {
    const { options, rng } = this.#realm;
    const ttlMs = given ?? (isAbsent ? this.#writer.negativeTtlMs : options.ttlMs);
    return Math.ceil(ttlMs * (1 - options.ttlJitter * rng.fraction()));
  }

  #served(found: Found<Value>): LoadedEntry<Value> {
    const entry = this.#reader.entry(found, "remote");
    if (entry.kind === "miss") throw new CacheError("INTERNAL", "a lease answered with nothing");
    if (entry.stale) this.#realm.loads.staleServed += 1;
    return entry;
  }
}

/** What is given of them, each read once. Throws FIELD_INVALID. */
function checkLoaded(given: LoadedOptions, limits: ServerLimits): LoadedOptions {
  try {
    const { ttlMs, staleMs, tags, sourceVersion }: LoadedOptions = checkOptions(given);
    return {
      ...(isGiven(ttlMs) && { ttlMs: checkLifetimeMs("ttlMs", ttlMs, 0, limits) }),
      ...(isGiven(staleMs) && { staleMs: checkLifetimeMs("staleMs", staleMs, 0, limits) }),
      ...(isGiven(tags) && { tags: checkEntryTags(tags, limits) }),
      ...(isGiven(sourceVersion) && { sourceVersion: checkUint64("sourceVersion", sourceVersion) }),
    };
  } catch (error) {
    throw unreadable("options", error);
  }
}

const isGiven = (option: unknown): boolean => option !== undefined && option !== null;

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
