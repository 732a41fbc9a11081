/**
 * getOrLoad: the value of a key, loaded from its source when the cache has none. One load at a time for each
 * key: in this process by a singleflight, in the whole mesh by a lease.
 *
 * The server decides what may be stored. A lease ends when its key, a prefix of it, the namespace or a tag of
 * the Set is invalidated while the loader runs. So a value that was loaded before an invalidation is returned
 * to the callers from before it, and is never stored. singleflight.ts decides which callers may share a load.
 */
import { CacheError } from "../../common/errors.ts";
import type { Loaded, LoadedOptions, Loader } from "../api/load-result.ts";
import type { Entry } from "../api/results.ts";
import { runWithin } from "../api/timeouts.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import { type LeaseAnswer, LeaseClient } from "./lease-client.ts";
import { type LoadOptions, type LoadPlan, toJoinOptions, toLoadPlan } from "./load-options.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import type { EntryReader, Found } from "./reader.ts";
import { runLoader } from "./run-loader.ts";
import { Singleflight } from "./singleflight.ts";
import type { EntryWriter } from "./writer.ts";

/** The version is undefined when the loaded value was not stored. */
export type LoadedEntry<Value> = Exclude<Entry<Value>, { kind: "miss" }>;

/** The lease lasts this much longer than the loader may take, for the Set to arrive in time. */
const LEASE_MARGIN_MS = 2_000;

export class EntryLoader<Value> {
  readonly #singleflight: Singleflight<LoadedEntry<Value>>;
  readonly #context: NamespaceContext<Value>;
  readonly #reader: EntryReader<Value>;
  readonly #writer: EntryWriter<Value>;
  readonly #leases: LeaseClient<Value>;
  /** Loads that hold a lease, also those in the background. */
  readonly #loads = new Set<Promise<unknown>>();
  readonly #closing: AbortSignal;

  constructor(
    context: NamespaceContext<Value>,
    reader: EntryReader<Value>,
    writer: EntryWriter<Value>,
    closing: AbortSignal,
  ) {
    const { namespace, clock, coherence, invalidations, near, loads } = context;
    this.#singleflight = new Singleflight({
      namespace,
      clock,
      coherence,
      invalidations,
      coverage: () => near?.coverage() ?? NOT_COVERED,
      share: (entry) => this.#shared(entry),
      onJoin: () => {
        loads.loadsShared += 1;
      },
    });
    this.#context = context;
    this.#reader = reader;
    this.#writer = writer;
    this.#leases = new LeaseClient(context, reader);
    this.#closing = closing;
  }

  /** Loads the entry, or shares a load that is in flight. Throws FIELD_INVALID. */
  load(key: string, loader: Loader<Value>, options: LoadOptions): Promise<LoadedEntry<Value>> {
    const plan = toLoadPlan(key, loader, options, this.#context.runner.limits);
    return this.#singleflight.join(key, toJoinOptions(options), () => this.#run(plan));
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async settled(): Promise<void> {
    await Promise.allSettled(this.#loads);
  }

  /** Gives each caller of a shared load a value that no other caller can change. */
  #shared(entry: LoadedEntry<Value>): LoadedEntry<Value> {
    if (entry.kind !== "hit") return entry;
    return { ...entry, value: this.#context.values.forAnother(entry.value) };
  }

  // ---- One load ----------------------------------------------------------------------------------------

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
        // The entry is fresh, so the server grants no lease. The Set replaces this version or nothing.
        return this.#store(plan, await runLoader(this.#context, plan, this.#closing), { when: answer.when });
      default:
        return answer satisfies never;
    }
  }

  async #fill(
    plan: LoadPlan<Value>,
    token: bigint,
    stale: Found<Value> | undefined,
  ): Promise<LoadedEntry<Value>> {
    const load = runLoader(this.#context, plan, this.#closing).then((value) =>
      this.#store(plan, value, { leaseToken: token }),
    );
    // After a release the server grants the lease to the next waiter at once, not only when it expires.
    const ended = load.catch(() => this.#leases.release(plan.key, token));
    this.#loads.add(ended);
    void ended.then(() => this.#loads.delete(ended));
    if (stale === undefined) return load;
    const { softTimeoutMs } = plan;
    // A stale value is also served when the loader fails. The failure is counted, and the next caller loads again.
    const fresh = load.catch(() => undefined);
    const first =
      softTimeoutMs === 0 ? undefined : await runWithin(this.#context.clock, softTimeoutMs, fresh);
    return first ?? this.#served(stale);
  }

  async #loadUnkept(plan: LoadPlan<Value>): Promise<LoadedEntry<Value>> {
    const load = await runLoader(this.#context, plan, this.#closing);
    this.#context.loads.loadsUnkept += 1;
    return unstored(load, { ...plan.entry, ...load.options });
  }

  /** Stores a loaded value. The callers get it whether it could be stored or not. */
  async #store(
    { key, entry, failOpen }: LoadPlan<Value>,
    load: Loaded<Value>,
    condition: { readonly leaseToken: bigint } | { readonly when: LoadedEntry<Value>["version"] },
  ): Promise<LoadedEntry<Value>> {
    const lifetimes: LoadedOptions = { ...entry, ...load.options };
    const encoded = this.#writer.encode(load.value, load.absent);
    const ttlMs = this.#jittered(lifetimes.ttlMs, load.absent);
    const staleMs = load.absent ? 0 : lifetimes.staleMs;
    const { loads } = this.#context;
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

  /** Jitter shortens a TTL and never lengthens it. */
  #jittered(given: number | undefined, isAbsent: boolean): number {
    const { options, rng } = this.#context;
    const ttlMs = given ?? (isAbsent ? this.#writer.negativeTtlMs : options.ttlMs);
    return Math.ceil(ttlMs * (1 - options.ttlJitter * rng.fraction()));
  }

  #served(found: Found<Value>): LoadedEntry<Value> {
    const entry = this.#reader.entry(found, "remote");
    if (entry.kind === "miss") throw new CacheError("INTERNAL", "the lease was answered with a miss");
    if (entry.stale) this.#context.loads.staleServed += 1;
    return entry;
  }
}

/** Whether the cache failed, and not the caller or the loader: the load can go on without the cache. */
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

/** The entry of a loaded value that no server has stored. */
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
