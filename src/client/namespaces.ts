/** The namespaces that a client has opened: puts the parts of each together, and ends them together. */
import type { Clock } from "../common/clock.ts";
import { CacheError, fieldInvalid } from "../common/errors.ts";
import type { Rng } from "../common/random.ts";
import type { ReportEvent } from "./api/client-events.ts";
import {
  differingOption,
  type NamespaceOptions,
  type ResolvedNamespaceOptions,
  resolveNamespaceOptions,
} from "./api/namespace-options.ts";
import { NEAR_CACHE_DEFAULT_BYTES } from "./api/near-cache-options.ts";
import type { ResolvedClientOptions } from "./api/options.ts";
import type { Coherence, EndedEpoch } from "./coherence/coherence.ts";
import type { InvalidationBus } from "./coherence/invalidation-bus.ts";
import type { Connection } from "./connection/connection.ts";
import type { EventSubscriptions } from "./event-subscriptions.ts";
import { Namespace, type NamespaceClient, type NamespaceParts } from "./namespace.ts";
import { type AnyCachedEntry, ValueReader } from "./near-cache/cached-entry.ts";
import { ClockBudget } from "./near-cache/clock-cache.ts";
import { CoherenceProbe } from "./near-cache/coherence-probe.ts";
import { NearCache } from "./near-cache/near-cache.ts";
import { Revalidation } from "./near-cache/revalidation.ts";
import type { EventSubscription, SubscribeOptions } from "./operations/event-subscription.ts";
import type { InvalidationQueue } from "./operations/invalidation-queue.ts";
import { NamespaceContext, type SharedParts } from "./operations/namespace-context.ts";
import { EntryReader } from "./operations/reader.ts";
import type { OperationRunner } from "./operations/runner.ts";
import { UnkeptLoads } from "./operations/unkept-loads.ts";
import { ValuePacking } from "./operations/value-packing.ts";
import { EntryWriter } from "./operations/writer.ts";
import type { ClientCounters } from "./stats.ts";
import type { ClientTelemetry } from "./telemetry/telemetry.ts";

export interface NamespacesDeps {
  readonly options: ResolvedClientOptions;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly coherence: Coherence;
  readonly invalidations: InvalidationBus;
  readonly invalidationQueue: InvalidationQueue;
  readonly connection: Connection;
  readonly runner: OperationRunner;
  readonly telemetry: ClientTelemetry;
  readonly counters: ClientCounters;
  readonly report: ReportEvent;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
  readonly subscriptions: EventSubscriptions;
}

/** What the client needs to know of an open namespace, whatever its values are. */
interface OpenNamespace {
  readonly namespace: Namespace<unknown>;
  readonly parts: NamespaceParts<unknown>;
}

export class Namespaces implements NamespaceClient {
  readonly #deps: NamespacesDeps;
  readonly #open = new Map<string, OpenNamespace>();
  /** The loads of namespaces that were closed. */
  readonly #ending = new Set<Promise<void>>();
  /** The bytes that all near caches share which have none of their own. */
  readonly #sharedBudget: ClockBudget<AnyCachedEntry>;
  readonly #budgets = new Set<ClockBudget<AnyCachedEntry>>();
  readonly #revalidation: Revalidation;
  readonly #shared: SharedParts;
  #lastRequestId: bigint;
  /** Most namespaces have the same options: they share the object. */
  #lastOptions: ResolvedNamespaceOptions<unknown> | undefined;
  /** Counts up from a random number, which costs less than a random number each time. Never 0n: that means none. */
  readonly #nextRequestId = (): bigint => {
    this.#lastRequestId = BigInt.asUintN(64, this.#lastRequestId + 1n) || 1n;
    return this.#lastRequestId;
  };

  constructor(deps: NamespacesDeps) {
    const { clock, rng, counters, options, report } = deps;
    this.#deps = deps;
    this.#lastRequestId = rng.uint64();
    const { loads } = counters;
    const unkept = new UnkeptLoads(loads, report);
    this.#shared = { ...deps, loads, unkept, nextRequestId: this.#nextRequestId };
    this.#sharedBudget = this.#addBudget(options.nearCache?.maxBytes ?? NEAR_CACHE_DEFAULT_BYTES);
    this.#revalidation = new Revalidation({
      clock,
      rng,
      jitterMs: options.revalidateJitterMs,
      maxEntries: options.revalidateMaxEntries,
      suspects: (limit) => this.#suspects(limit),
    });
  }

  get closing(): AbortSignal {
    return this.#deps.closing;
  }

  get size(): number {
    return this.#open.size;
  }

  /** Entries and bytes of all near caches. */
  nearSize(): { readonly entries: number; readonly bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const budget of this.#budgets) {
      entries += budget.size;
      bytes += budget.bytes;
    }
    return { entries, bytes };
  }

  /** The open namespace of this name, or a new one. Throws FIELD_INVALID for an option that is not as in the open one. */
  open<Value>(name: string, given: NamespaceOptions<Value>): Namespace<Value> {
    const options = this.#share(resolveNamespaceOptions(given, this.#deps.options));
    const known = this.#open.get(name);
    if (known === undefined) return this.#create(name, options);
    const differing = differingOption(known.parts.context.options, options);
    if (differing !== undefined) throw fieldInvalid(differing, `as in the namespace ${name} that is open`);
    // Its codec is the same, and so are its values.
    return known.namespace as unknown as Namespace<Value>;
  }

  /** The store has another epoch, which continues these. */
  continueIn(epoch: bigint, predecessors: readonly EndedEpoch[]): void {
    for (const { parts } of this.#open.values()) parts.context.near?.continueIn(epoch, predecessors);
  }

  /** Events may have been missed: what is held locally is asked for again in the background. */
  revalidate(): void {
    this.#revalidation.start();
  }

  stopRevalidating(): void {
    this.#revalidation.stop();
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async settled(): Promise<void> {
    await Promise.all([
      ...Array.from(this.#open.values(), ({ parts }) => parts.loader?.settled()),
      ...this.#ending,
    ]);
  }

  clear(): void {
    for (const { parts } of this.#open.values()) parts.context.near?.clear();
  }

  #create<Value>(name: string, options: ResolvedNamespaceOptions<Value>): Namespace<Value> {
    const { coherence, connection, counters, options: clientOptions, telemetry } = this.#deps;
    const { nearCache } = options;
    const budget = nearCache?.hasOwnBytes ? this.#addBudget(nearCache.maxBytes) : this.#sharedBudget;
    const near =
      nearCache && new NearCache<Value>(name, nearCache.prefixes, budget, coherence, counters.near);
    const own = {
      namespace: name,
      options,
      near,
      values: new ValueReader(options.codec, name, nearCache?.values === "frozen"),
      packing: new ValuePacking(
        { ...options, namespace: name, codec: options.codec.name },
        counters.compression,
      ),
      outageHit: clientOptions.nearHitSpans ? () => telemetry.nearHit(name, true) : undefined,
    };
    const context = new NamespaceContext(own, this.#shared);
    const reader = new EntryReader(context);
    const writer = new EntryWriter(context);
    if (near !== undefined) {
      near.revalidator = reader;
      coherence.nearCacheOpened();
      connection.watch(near);
      this.#deps.invalidations.add(near);
    }
    const parts: NamespaceParts<Value> = {
      context,
      reader,
      writer,
      loader: undefined,
      probe: near && this.#createProbe(near, reader),
      nearHit: clientOptions.nearHitSpans ? () => telemetry.nearHit(name, false) : undefined,
      client: this,
    };
    const namespace = new Namespace(parts);
    const opened: unknown = { namespace, parts };
    this.#open.set(name, opened as OpenNamespace);
    return namespace;
  }

  subscribe(name: string, options: SubscribeOptions): EventSubscription {
    if (this.#deps.closing.aborted) throw new CacheError("CLOSED", "the client is closed");
    return this.#deps.subscriptions.open(name, options);
  }

  /** Ends the open namespace of this name. Resolves when the loads under way have ended. */
  async close(name: string): Promise<void> {
    const closed = this.#open.get(name);
    if (closed === undefined) return;
    const { context, loader } = closed.parts;
    const { near } = context;
    this.#open.delete(name);
    this.#deps.subscriptions.closeNamespace(name);
    if (near !== undefined) {
      this.#deps.connection.unwatch(near);
      this.#deps.invalidations.delete(near);
      near.close();
      if (near.budget !== this.#sharedBudget) this.#budgets.delete(near.budget);
    }
    if (loader === undefined) return;
    const ending = loader.settled();
    this.#ending.add(ending);
    await ending;
    this.#ending.delete(ending);
  }

  #share<Value>(options: ResolvedNamespaceOptions<Value>): ResolvedNamespaceOptions<Value> {
    const last = this.#lastOptions;
    if (last !== undefined && differingOption(last, options) === undefined) {
      return last as ResolvedNamespaceOptions<Value>;
    }
    this.#lastOptions = options;
    return options;
  }

  #addBudget(maxBytes: number): ClockBudget<AnyCachedEntry> {
    const budget = new ClockBudget<AnyCachedEntry>(maxBytes);
    this.#budgets.add(budget);
    return budget;
  }

  /** Suspect entries that can be revalidated, of each budget about the most recently used first. */
  #suspects(limit: number): AnyCachedEntry[] {
    const { generation } = this.#deps.coherence;
    const suspects: AnyCachedEntry[] = [];
    for (const budget of this.#budgets) {
      for (const entry of budget.byUse()) {
        if (suspects.length >= limit) return suspects;
        const { key, owner } = entry;
        if (entry.generation !== generation && owner.revalidatable(key) === entry) suspects.push(entry);
      }
    }
    return suspects;
  }

  #createProbe<Value>(near: NearCache<Value>, reader: EntryReader<Value>): CoherenceProbe<Value> | undefined {
    const { coherence, connection, counters, options, report, rng, telemetry } = this.#deps;
    const { namespace } = near;
    if (options.probeShare === 0) return undefined;
    return new CoherenceProbe({
      share: options.probeShare,
      rng,
      near,
      coherence,
      counters: counters.probes,
      stream: () => connection.counters.streams,
      read: (key, answered) => reader.inspect(key, answered),
      probed: (stalenessMs, violation) => {
        telemetry.probed(namespace, stalenessMs, violation);
        if (violation) report({ kind: "probeViolation", namespace, stalenessMs });
      },
    });
  }
}
