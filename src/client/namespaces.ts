/** The namespaces that a client has opened: puts the parts of each together, and ends them together. */
import type { Clock } from "../common/clock.ts";
import type { Rng } from "../common/random.ts";
import type { ReportEvent } from "./api/client-events.ts";
import { type NamespaceOptions, resolveNamespaceOptions } from "./api/namespace-options.ts";
import type { ResolvedClientOptions } from "./api/options.ts";
import type { Coherence } from "./coherence/coherence.ts";
import type { InvalidationBus } from "./coherence/invalidation-bus.ts";
import type { Connection } from "./connection/connection.ts";
import { Namespace } from "./namespace.ts";
import { ValueReader } from "./near-cache/cached-entry.ts";
import { CoherenceProbe } from "./near-cache/coherence-probe.ts";
import { NearCache } from "./near-cache/near-cache.ts";
import { Revalidation } from "./near-cache/revalidation.ts";
import type { EventSubscription, SubscribeOptions } from "./operations/event-subscription.ts";
import { EntryLoader } from "./operations/loader.ts";
import type { NamespaceContext } from "./operations/namespace-context.ts";
import { EntryReader } from "./operations/reader.ts";
import type { OperationRunner } from "./operations/runner.ts";
import { UnkeptLoads } from "./operations/unkept-loads.ts";
import { EntryWriter } from "./operations/writer.ts";
import type { ClientCounters } from "./stats.ts";
import type { ClientTelemetry } from "./telemetry/telemetry.ts";

/** What the client asks of a near cache, whatever its values are. */
type AnyNearCache = Pick<NearCache<unknown>, "entries" | "bytes" | "clear">;

export interface NamespacesDeps {
  readonly options: ResolvedClientOptions;
  readonly clock: Clock;
  readonly rng: Rng;
  readonly coherence: Coherence;
  readonly invalidations: InvalidationBus;
  readonly connection: Connection;
  readonly runner: OperationRunner;
  readonly telemetry: ClientTelemetry;
  readonly counters: ClientCounters;
  readonly report: ReportEvent;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
  subscribe(namespace: string, options: SubscribeOptions): EventSubscription;
}

export class Namespaces {
  readonly #deps: NamespacesDeps;
  readonly #nearCaches = new Set<AnyNearCache>();
  readonly #revalidations = new Set<Revalidation>();
  readonly #loaders = new Set<{ settled(): Promise<void> }>();
  readonly #unkept: UnkeptLoads;
  #lastRequestId: bigint;

  constructor(deps: NamespacesDeps) {
    this.#deps = deps;
    this.#unkept = new UnkeptLoads(deps.counters.loads, deps.report);
    this.#lastRequestId = deps.rng.uint64();
  }

  /** Entries and bytes of all near caches. */
  nearSize(): { readonly entries: number; readonly bytes: number } {
    let entries = 0;
    let bytes = 0;
    for (const near of this.#nearCaches) {
      entries += near.entries;
      bytes += near.bytes;
    }
    return { entries, bytes };
  }

  /** Throws FIELD_INVALID for an option out of its range, and LIMIT_EXCEEDED for too many namespaces. */
  open<Value>(name: string, given: NamespaceOptions<Value>): Namespace<Value> {
    const { coherence, counters, options: clientOptions, telemetry, closing } = this.#deps;
    const options = resolveNamespaceOptions(given, clientOptions);
    const near = options.nearCache && new NearCache<Value>(name, options.nearCache, coherence, counters.near);
    const context: NamespaceContext<Value> = {
      namespace: name,
      options,
      near,
      values: new ValueReader(options.codec, name, options.nearCache?.values === "frozen"),
      coherence,
      invalidations: this.#deps.invalidations,
      runner: this.#deps.runner,
      clock: this.#deps.clock,
      rng: this.#deps.rng,
      telemetry,
      loads: counters.loads,
      unkept: this.#unkept,
      report: this.#deps.report,
      nextRequestId: () => this.#nextRequestId(),
    };
    const reader = new EntryReader(context);
    const writer = new EntryWriter(context);
    const loader = new EntryLoader(context, reader, writer, closing);
    if (near !== undefined) this.#openNearCache(near, reader);
    this.#loaders.add(loader);
    return new Namespace({
      context,
      reader,
      writer,
      loader,
      probe: near && this.#createProbe(near, reader),
      nearHit: clientOptions.nearHitSpans ? () => telemetry.nearHit(name) : undefined,
      subscribe: (subscribeOptions) => this.#deps.subscribe(name, subscribeOptions),
    });
  }

  /** Events may have been missed: what is held locally is asked for again in the background. */
  revalidate(): void {
    for (const revalidation of this.#revalidations) revalidation.start();
  }

  stopRevalidating(): void {
    for (const revalidation of this.#revalidations) revalidation.stop();
  }

  /** Resolves when every load that holds a lease has stored its value or given the lease back. */
  async settled(): Promise<void> {
    await Promise.all([...this.#loaders].map((loader) => loader.settled()));
  }

  clear(): void {
    for (const near of this.#nearCaches) near.clear();
  }

  #openNearCache<Value>(near: NearCache<Value>, reader: EntryReader<Value>): void {
    const { clock, rng, coherence, connection, invalidations, options } = this.#deps;
    coherence.nearCacheOpened();
    connection.watch(near);
    invalidations.add(near);
    this.#nearCaches.add(near);
    this.#revalidations.add(
      new Revalidation({
        clock,
        rng,
        jitterMs: options.revalidateJitterMs,
        maxEntries: options.revalidateMaxEntries,
        suspects: (limit) => near.suspects(limit),
        isSuspect: (key) => near.isSuspect(key),
        revalidate: (key) => reader.fetch(key),
      }),
    );
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

  /** Counts up from a random number, which costs less than a random number each time. Never 0n: that means none. */
  #nextRequestId(): bigint {
    this.#lastRequestId = BigInt.asUintN(64, this.#lastRequestId + 1n) || 1n;
    return this.#lastRequestId;
  }
}
