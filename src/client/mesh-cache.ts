/** MeshCache: the client. Puts connection, coherence and namespaces together, and ends them together. */
import type { ChannelCredentials } from "@grpc/grpc-js";
import type { Gap } from "../../gen/meshcache/v1/cache_pb.ts";
import { type Boundary, createBoundary, guardTimers } from "../common/boundary.ts";
import { systemClock } from "../common/clock.ts";
import { CacheError } from "../common/errors.ts";
import { systemRng } from "../common/random.ts";
import {
  checkNamespace,
  checkOptions,
  checkPrefixes,
  checkSignal,
  checkWhole,
  unreadable,
} from "./api/checks.ts";
import { json } from "./api/codecs.ts";
import {
  type ClientInternals,
  type ClientOptions,
  type NamespaceOptions,
  type ResolvedClientOptions,
  resolveClientOptions,
  resolveNamespaceOptions,
} from "./api/options.ts";
import { runWithin } from "./api/timeouts.ts";
import { Coherence } from "./coherence/coherence.ts";
import { Holders } from "./coherence/invalidation-bus.ts";
import { Connection, type ConnectionDeps } from "./connection/connection.ts";
import { Namespace } from "./namespace.ts";
import { CopyReader } from "./near-cache/cached-entry.ts";
import { Probe, type ProbeCounters } from "./near-cache/coherence-probe.ts";
import { NearCache, type NearCounters } from "./near-cache/near-cache.ts";
import { Revalidation } from "./near-cache/revalidation.ts";
import {
  EventQueue,
  type EventSubscription,
  type SubscribeOptions,
} from "./operations/event-subscription.ts";
import { EntryLoader } from "./operations/loader.ts";
import type { LoadCounters, Realm } from "./operations/namespace-context.ts";
import { EntryReader } from "./operations/reader.ts";
import { type CallOptions, cancelled, Remote } from "./operations/runner.ts";
import { EntryWriter } from "./operations/writer.ts";
import { type ClientStats, toObservations } from "./stats.ts";
import { type ClientTelemetry, createClientTelemetry } from "./telemetry/telemetry.ts";
import { createGrpcTransport } from "./transport/grpc-transport.ts";
import { createHttp2Transport } from "./transport/http2-transport.ts";
import type { Transport } from "./transport/transport.ts";

export interface CloseOptions {
  /** How long what is under way may take to finish. 0 to 600,000; default 1,000. */
  readonly graceMs?: number;
}

/** What the client asks of a near cache, whatever its values are. */
type NearSize = Pick<NearCache<unknown>, "entries" | "bytes" | "clear">;

const LONGEST_WAIT_MS = 600_000;

/**
 * A cache that is shared with the whole mesh, and this process's own fresh copy of it. Connects when it is
 * first used. Make one for each process and close it at the end.
 */
export class MeshCache implements AsyncDisposable {
  readonly #options: ResolvedClientOptions;
  readonly #boundary = createBoundary(warnOfFault);
  readonly #deps: ConnectionDeps;
  readonly #coherence: Coherence;
  readonly #holders: Holders;
  readonly #connection: Connection;
  readonly #remote: Remote;
  readonly #telemetry: ClientTelemetry;
  readonly #nears = new Set<NearSize>();
  readonly #revalidations = new Set<Revalidation>();
  readonly #loaders = new Set<{ landed(): Promise<void> }>();
  readonly #subscriptions = new Set<EventQueue>();
  readonly #closing = new AbortController();
  readonly #nearCounters: NearCounters = {
    hits: 0,
    misses: 0,
    fills: 0,
    fillsRefused: 0,
    invalidated: 0,
    evicted: 0,
    revalidated: 0,
  };
  readonly #loadCounters: LoadCounters = {
    loads: 0,
    loadFailures: 0,
    loadsShared: 0,
    loadsUnkept: 0,
    staleServed: 0,
  };
  readonly #probeCounters: ProbeCounters = { probes: 0, probesStale: 0, probeViolations: 0 };
  readonly #unobserve: () => void;
  #gaps = 0;
  #lastRequestId: bigint;
  #closed: Promise<void> | undefined;

  /** Throws FIELD_INVALID for an option out of its range. `internals` are for simulations. */
  constructor(options: ClientOptions, internals: ClientInternals = {}) {
    this.#options = resolveClientOptions(options);
    const clock = internals.clock ?? systemClock;
    const rng = internals.rng ?? systemRng;
    const scheduleFlush = internals.scheduleFlush ?? afterMicrotasks;
    this.#deps = {
      clock: guardTimers(clock, this.#boundary),
      rng,
      transport: internals.transport ?? createTransport(this.#options.credentials, this.#boundary),
      clientId: this.#options.clientId,
      scheduleFlush: (flush) => scheduleFlush(this.#boundary.guard(undefined, flush)),
    };
    this.#coherence = new Coherence(clock, this.#options.leaseMs);
    this.#holders = new Holders(this.#coherence);
    this.#connection = new Connection({ ...this.#options, silenceMaxMs: this.#options.leaseMs }, this.#deps, {
      opened: (epoch) => {
        this.#coherence.fellBehind();
        this.#coherence.epochSeen(epoch);
      },
      events: (events) => this.#holders.apply(events),
      overheard: (events) => this.#holders.overheard(events),
      gap: (gap) => this.#gap(gap),
      caughtUp: () => this.#coherence.caughtUp(),
      lost: () => this.#coherence.fellBehind(),
      pingAnswered: (sentAtMs) => this.#coherence.pingAnswered(sentAtMs),
    });
    this.#telemetry = createClientTelemetry(this.#options);
    this.#remote = new Remote(this.#connection, clock, this.#telemetry, this.#options.deadlineMs);
    this.#unobserve = this.#telemetry.observe(() => toObservations(this.stats()));
    this.#lastRequestId = rng.uint64();
  }

  /**
   * A namespace with its codec and defaults. Make it once and keep it: each has a near cache of its own. Two with
   * one name see each other's writes, and should have one codec. Throws FIELD_INVALID for an option out of its
   * range, LIMIT_EXCEEDED for more than 64 names with a near cache, and CLOSED.
   */
  namespace(name: string): Namespace<unknown>;
  namespace<Value>(name: string, options: NamespaceOptions<Value>): Namespace<Value>;
  namespace(name: string, options?: NamespaceOptions<unknown>): Namespace<unknown> {
    return this.#open(checkNamespace(name, this.#connection.limits), options ?? { codec: json<unknown>() });
  }

  /**
   * A barrier: resolves when everything that was invalidated anywhere before the call is gone from the near
   * caches here. Rejects with DEADLINE, UNAVAILABLE, CANCELLED or CLOSED.
   */
  async sync(options?: CallOptions): Promise<void> {
    const { signal, deadlineMs } = this.#checkCall(options);
    if (signal?.aborted) throw cancelled(signal);
    return new Promise((resolve, reject) => {
      const leave = () => {
        timer.cancel();
        takeBack();
        signal?.removeEventListener("abort", onAbort);
        this.#closing.signal.removeEventListener("abort", onClose);
      };
      const give = (error: CacheError) => {
        leave();
        reject(error);
      };
      const onAbort = () => {
        if (signal !== undefined) give(cancelled(signal));
      };
      const onClose = () => give(new CacheError("CLOSED", "the client is closed"));
      const timer = this.#deps.clock.schedule(deadlineMs, () =>
        give(new CacheError("DEADLINE", "the events did not arrive by the deadline")),
      );
      const takeBack = this.#connection.barrier(() => {
        leave();
        resolve();
      });
      signal?.addEventListener("abort", onAbort, { once: true });
      this.#closing.signal.addEventListener("abort", onClose, { once: true });
      if (this.#closing.signal.aborted) onClose();
      else if (this.#connection.state === "unavailable") {
        give(this.#connection.unreachable());
      }
    });
  }

  stats(): ClientStats {
    const { counters, state, address, inFlight } = this.#connection;
    let entries = 0;
    let bytes = 0;
    for (const near of this.#nears) {
      entries += near.entries;
      bytes += near.bytes;
    }
    return {
      near: { ...this.#nearCounters, entries, bytes },
      loads: { ...this.#loadCounters },
      probes: { ...this.#probeCounters },
      connection: { state, address, inFlight, ...counters, gaps: this.#gaps, faults: this.#boundary.faults },
    };
  }

  /** Ends loads, subscriptions and the connection; what is under way may finish first. Twice is once. */
  close(options?: CloseOptions): Promise<void> {
    try {
      const given: CloseOptions = checkOptions(options);
      const graceMs = checkWhole("graceMs", given.graceMs ?? 1_000, 0, LONGEST_WAIT_MS);
      this.#closed ??= this.#close(graceMs);
      return this.#closed;
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  #checkCall(options: CallOptions | undefined) {
    try {
      const given: CallOptions = checkOptions(options);
      const deadlineMs = given.deadlineMs ?? this.#options.deadlineMs;
      return {
        signal: checkSignal(given.signal),
        deadlineMs: checkWhole("deadlineMs", deadlineMs, 1, LONGEST_WAIT_MS),
      };
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  async #close(graceMs: number): Promise<void> {
    this.#closing.abort();
    for (const subscription of [...this.#subscriptions]) subscription.close();
    for (const revalidation of this.#revalidations) revalidation.stop();
    // A load that ends now gives its lease back, which takes the connection.
    const landed = Promise.all([...this.#loaders].map((loader) => loader.landed()));
    await runWithin(this.#deps.clock, graceMs, landed);
    await this.#connection.close(graceMs);
    this.#unobserve();
    for (const near of this.#nears) near.clear();
  }

  #open<Value>(name: string, given: NamespaceOptions<Value>): Namespace<Value> {
    if (this.#closing.signal.aborted) throw new CacheError("CLOSED", "the client is closed");
    const options = resolveNamespaceOptions(given, this.#options);
    const near =
      options.nearCache && new NearCache<Value>(name, options.nearCache, this.#coherence, this.#nearCounters);
    const { clock, rng } = this.#deps;
    const realm: Realm<Value> = {
      namespace: name,
      options,
      near,
      copies: new CopyReader(options.codec, name, options.nearCache?.values === "frozen"),
      coherence: this.#coherence,
      holders: this.#holders,
      remote: this.#remote,
      clock,
      rng,
      telemetry: this.#telemetry,
      loads: this.#loadCounters,
      nextRequestId: () => this.#nextRequestId(),
    };
    const reader = new EntryReader(realm);
    const writer = new EntryWriter(realm);
    const loader = new EntryLoader(realm, reader, writer, this.#closing.signal);
    if (near !== undefined) this.#openNear(near, reader);
    this.#loaders.add(loader);
    return new Namespace({
      realm,
      reader,
      writer,
      loader,
      probe: near && this.#createProbe(near, reader),
      nearHit: this.#options.nearHitSpans ? () => this.#telemetry.nearHit(name) : undefined,
      subscribe: (subscribeOptions) => this.#subscribe(name, subscribeOptions),
    });
  }

  #openNear<Value>(near: NearCache<Value>, reader: EntryReader<Value>): void {
    this.#coherence.keepsFromNow();
    this.#connection.watch(near);
    this.#holders.add(near);
    this.#nears.add(near);
    const { clock, rng } = this.#deps;
    const { revalidateJitterMs, revalidateMaxEntries } = this.#options;
    this.#revalidations.add(
      new Revalidation({
        clock,
        rng,
        jitterMs: revalidateJitterMs,
        maxEntries: revalidateMaxEntries,
        suspects: (limit) => near.suspects(limit),
        isSuspect: (key) => near.isSuspect(key),
        revalidate: (key) => reader.fetch(key),
      }),
    );
  }

  #createProbe<Value>(near: NearCache<Value>, reader: EntryReader<Value>): Probe<Value> | undefined {
    const { probeShare } = this.#options;
    if (probeShare === 0) return undefined;
    return new Probe({
      share: probeShare,
      rng: this.#deps.rng,
      near,
      coherence: this.#coherence,
      counters: this.#probeCounters,
      stream: () => this.#connection.counters.streams,
      read: (key, answered) => reader.inspect(key, answered),
      probed: (stalenessMs, violation) => this.#telemetry.probed(near.namespace, stalenessMs, violation),
    });
  }

  #subscribe(namespace: string, options: SubscribeOptions): EventSubscription {
    if (this.#closing.signal.aborted) throw new CacheError("CLOSED", "the client is closed");
    const signal = checkSignal(options.signal);
    if (signal?.aborted) throw cancelled(signal);
    const prefixes = checkPrefixes("prefixes", options.prefixes ?? [], this.#connection.limits);
    const queueMaxEvents = checkWhole("queueMaxEvents", options.queueMaxEvents ?? 4_096, 1, 2 ** 20);
    const queue = new EventQueue(namespace, prefixes, queueMaxEvents, (closed) => {
      signal?.removeEventListener("abort", onAbort);
      this.#subscriptions.delete(closed);
      this.#holders.delete(closed);
      this.#connection.unwatch(closed);
    });
    const onAbort = () => queue.close();
    this.#connection.watch(queue);
    this.#holders.add(queue);
    this.#subscriptions.add(queue);
    signal?.addEventListener("abort", onAbort, { once: true });
    return queue;
  }

  #gap(gap: Gap): void {
    this.#gaps += 1;
    this.#coherence.epochSeen(gap.epoch);
    this.#coherence.missedEvents();
    for (const subscription of this.#subscriptions) subscription.gap(gap);
    for (const revalidation of this.#revalidations) revalidation.start();
  }

  /** Counted up from a random number: different from every other client's, and cheap. */
  #nextRequestId(): bigint {
    this.#lastRequestId = BigInt.asUintN(64, this.#lastRequestId + 1n) || 1n;
    return this.#lastRequestId;
  }
}

/** After the microtasks that are waiting now, which may issue operations too; a lone call waits for no timer. */
function afterMicrotasks(run: () => void): void {
  queueMicrotask(() => process.nextTick(run));
}

function createTransport(credentials: ChannelCredentials | undefined, boundary: Boundary): Transport {
  return credentials === undefined
    ? createHttp2Transport(boundary)
    : createGrpcTransport(credentials, boundary);
}

/** The process of a user is not to end by a fault in here, and not to hide it either. */
function warnOfFault(error: unknown): void {
  const detail = error instanceof Error ? (error.stack ?? error.message) : String(error);
  process.emitWarning("a callback of the client failed; its connection was ended", {
    type: "MeshCacheWarning",
    detail,
  });
}
