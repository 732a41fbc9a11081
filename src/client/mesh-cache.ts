/** MeshCache: the client as an application makes it. Puts connection, coherence and namespaces together, and ends them. */

import type { Gap } from "../../gen/meshcache/v1/cache_pb.ts";
import { createBoundary, guardTimers } from "../common/boundary.ts";
import { type Clock, systemClock } from "../common/clock.ts";
import { CacheError, errorNameOf, placeOf } from "../common/errors.ts";
import { LONGEST_WAIT_MS } from "../common/longest-wait.ts";
import { systemRng } from "../common/random.ts";
import { checkNamespace, checkOptions, checkSignal, durationOption, unreadable } from "./api/checks.ts";
import { json } from "./api/codecs.ts";
import type { Duration } from "./api/duration.ts";
import type { NamespaceOptions } from "./api/namespace-options.ts";
import { optionNames } from "./api/option-names.ts";
import {
  type ClientInternals,
  type ClientOptions,
  type ResolvedClientOptions,
  resolveClientOptions,
} from "./api/options.ts";
import { isAborted } from "./api/signals.ts";
import { runWithin } from "./api/timeouts.ts";
import { Coherence, type EndedEpoch } from "./coherence/coherence.ts";
import { InvalidationBus } from "./coherence/invalidation-bus.ts";
import { LeaseClock } from "./coherence/lease-clock.ts";
import { Connection, type ConnectionDeps } from "./connection/connection.ts";
import { EventReporter } from "./event-reporter.ts";
import { EventSubscriptions } from "./event-subscriptions.ts";
import type { Namespace } from "./namespace.ts";
import { Namespaces } from "./namespaces.ts";
import { gapCauseOf } from "./operations/event-subscription.ts";
import { InvalidationQueue, type UnacknowledgedInvalidation } from "./operations/invalidation-queue.ts";
import { CALL_OPTIONS, type CallOptions, cancelled, OperationRunner } from "./operations/runner.ts";
import { createTransport, runAfterMicrotasks, warnOfFault, warnOfUse } from "./process-defaults.ts";
import { type ClientStats, createCounters, toObservations } from "./stats.ts";
import { sync } from "./sync.ts";
import { createClientTelemetry } from "./telemetry/telemetry.ts";

export interface CloseOptions {
  /** How long what is under way may take to finish, in milliseconds. 0 to 600,000; default 1,000. */
  readonly graceMs?: Duration;
}

export interface CloseOutcome {
  /** The invalidations that no server has acknowledged. They may have taken effect or not, and nobody sends them any more. */
  readonly unacknowledged: readonly UnacknowledgedInvalidation[];
}

const CLOSE_OPTIONS = optionNames<CloseOptions>({ graceMs: true });

/**
 * A cache that all processes of a mesh share, with a near cache of this process in front of it. It connects when it is
 * first used. Make one for each process, and close it at the end: an open connection keeps the process alive.
 */
export class MeshCache implements AsyncDisposable {
  readonly #options: ResolvedClientOptions;
  readonly #boundary = createBoundary((error) => this.#fault(error));
  readonly #clock: Clock;
  readonly #coherence: Coherence;
  readonly #invalidations: InvalidationBus;
  readonly #connection: Connection;
  readonly #namespaces: Namespaces;
  readonly #subscriptions: EventSubscriptions;
  readonly #runner: OperationRunner;
  readonly #invalidationQueue: InvalidationQueue;
  readonly #counters = createCounters();
  readonly #events: EventReporter;
  readonly #closing = new AbortController();
  /** Stops reporting to the metrics of the process. */
  readonly #unobserve: () => void;
  #closed: Promise<CloseOutcome> | undefined;

  /** Throws FIELD_INVALID naming an option that is out of its range. `internals` are for simulations. */
  constructor(options: ClientOptions, internals: ClientInternals = {}) {
    this.#options = resolveClientOptions(options);
    const clock = internals.clock ?? systemClock;
    this.#clock = guardTimers(clock, this.#boundary);
    const { onEvent } = this.#options;
    this.#events = new EventReporter({ clock: this.#clock, onEvent, warn: internals.warn ?? warnOfUse });
    const { report } = this.#events;
    const leaseClock = new LeaseClock(clock);
    const deps = this.#createDeps(internals, leaseClock);
    this.#coherence = new Coherence(leaseClock, this.#options.leaseMs);
    const invalidations = new InvalidationBus(this.#coherence);
    this.#invalidations = invalidations;
    this.#connection = new Connection(this.#options, deps, {
      opened: (epoch, predecessors) => {
        this.#invalidationQueue.connected();
        this.#coherence.outageEnded();
        this.#coherence.fellBehind();
        this.#epochSeen(epoch, predecessors);
      },
      epochSeen: (epoch, predecessors) => this.#epochSeen(epoch, predecessors),
      covered: (cover) => {
        this.#coherence.cover = cover;
      },
      sending: () => this.#invalidationQueue.flush(),
      events: (events) => invalidations.apply(events),
      eventsOfReplaced: (events) => invalidations.evict(events),
      gap: (gap) => this.#gap(gap),
      caughtUp: () => this.#coherence.caughtUp(),
      lost: () => {
        this.#coherence.fellBehind();
        this.#coherence.outageBegan();
      },
      unavailable: () => this.#coherence.outageBegan(),
      pulse: () => this.#pulse(),
      twoStores: (address) => {
        this.#coherence.twoStores();
        report({ kind: "twoStores", address });
      },
      oneStore: (address) => {
        this.#coherence.oneStore();
        report({ kind: "oneStore", address });
      },
      pingAnswered: (leaseFromMs) => {
        this.#coherence.pingAnswered(leaseFromMs);
        this.#subscriptions.pingAnswered();
      },
    });
    const telemetry = createClientTelemetry(this.#options, (error) =>
      this.#boundary.caught(undefined, error),
    );
    this.#unobserve = telemetry.observe(() => toObservations(this.stats()));
    this.#subscriptions = new EventSubscriptions(this.#connection, invalidations, report);
    const runner = new OperationRunner(
      this.#connection,
      clock,
      deps.rng,
      telemetry,
      this.#options.deadlineMs,
    );
    this.#runner = runner;
    this.#invalidationQueue = new InvalidationQueue({
      connection: this.#connection,
      runner,
      clock: deps.clock,
      rng: deps.rng,
      maxNames: this.#options.queuedInvalidationsMaxNames,
      maxBytes: this.#options.queuedInvalidationsMaxBytes,
      counters: this.#counters.invalidations,
      report,
      acknowledged: ({ namespace, part: { target, names } }, asOfs) => {
        for (const name of names) invalidations.invalidate(namespace, target, name);
        for (const asOf of asOfs) this.#coherence.writeAnswered(asOf);
      },
    });
    this.#namespaces = new Namespaces({
      options: this.#options,
      clock: deps.clock,
      rng: deps.rng,
      coherence: this.#coherence,
      invalidations,
      invalidationQueue: this.#invalidationQueue,
      connection: this.#connection,
      runner,
      telemetry,
      counters: this.#counters,
      report,
      closing: this.#closing.signal,
      subscriptions: this.#subscriptions,
    });
  }

  /**
   * A namespace with its codec and defaults. Without options its values are JSON. The same name and options give the same
   * namespace until it is closed, so it may be asked for with each request; there may be very many of them.
   *
   * Where a namespace of this name is open, all options must be the same, with their defaults and with what is inherited from
   * the client. `json()`, `text()`, `bytes()` and `protobuf(schema)` are the same codec each time; another codec must be the
   * same object.
   *
   * Throws CLOSED, and FIELD_INVALID for an option that is out of its range, or that is not that of the open namespace.
   */
  namespace(name: string): Namespace<unknown>;
  namespace<Value>(name: string, options: NamespaceOptions<Value>): Namespace<Value>;
  namespace(name: string, options?: NamespaceOptions<unknown>): Namespace<unknown> {
    checkNamespace(name, this.#connection.limits);
    this.#refuseIfClosed();
    return this.#namespaces.open(name, options ?? { codec: json<unknown>() });
  }

  /**
   * A barrier: resolves when everything that was invalidated anywhere before the call is gone from the near
   * caches here. Rejects with FIELD_INVALID, DEADLINE, UNAVAILABLE, CANCELLED or CLOSED.
   */
  async sync(options?: CallOptions): Promise<void> {
    const { signal, deadlineMs } = this.#checkCall(options);
    if (signal !== undefined && isAborted(signal)) throw cancelled(signal);
    const deps = { connection: this.#connection, clock: this.#clock, closing: this.#closing.signal };
    return sync(deps, deadlineMs, signal);
  }

  /** A snapshot of what the client has counted since it was made. */
  stats(): ClientStats {
    const { counters, state, address, inFlight, selectors } = this.#connection;
    const { near, loads, probes, invalidations, compression, gaps } = this.#counters;
    return {
      namespaces: this.#namespaces.size,
      near: { ...near, ...this.#namespaces.nearSize() },
      loads: { ...loads, unkeptBy: { ...loads.unkeptBy } },
      probes: { ...probes },
      invalidations: { waiting: this.#invalidationQueue.waiting, ...invalidations },
      compression: { ...compression },
      connection: {
        ...{ state, address, inFlight, ...counters, gaps },
        selectors: selectors.length,
        wideSelectors: selectors.filter(({ namespaceIsPrefix }) => namespaceIsPrefix).length,
        unwantedEvents: this.#invalidations.unwantedEvents,
        twoStores: !this.#coherence.isOneStore,
        faults: this.#boundary.faults + this.#events.hookFaults,
      },
      events: { ...this.#events.counts },
    };
  }

  /**
   * Refuses new calls with CLOSED, gives those under way `graceMs` to finish, and invalidations that wait for a connection the
   * same time, and then ends loads, subscriptions and the connection. Resolves to what was left. A second call returns the
   * promise of the first. Rejects with FIELD_INVALID.
   */
  close(options?: CloseOptions): Promise<CloseOutcome> {
    try {
      const given: CloseOptions = checkOptions(options, CLOSE_OPTIONS);
      const graceMs = durationOption("graceMs", given.graceMs, 1_000, 0, LONGEST_WAIT_MS);
      this.#closed ??= this.#close(graceMs);
      return this.#closed;
    } catch (error) {
      return Promise.reject(unreadable("options", error));
    }
  }

  /** As `close()`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  #createDeps(internals: ClientInternals, leaseClock: LeaseClock): ConnectionDeps {
    const scheduleFlush = internals.scheduleFlush ?? runAfterMicrotasks;
    return {
      clock: this.#clock,
      leaseClock,
      rng: internals.rng ?? systemRng,
      transport: internals.transport ?? createTransport(this.#options, this.#boundary, this.#clock),
      clientId: this.#options.clientId,
      scheduleFlush: (flush) => scheduleFlush(this.#boundary.guard(undefined, flush)),
      report: this.#events.report,
    };
  }

  #refuseIfClosed(): void {
    if (this.#closing.signal.aborted) throw new CacheError("CLOSED", "the client is closed");
  }

  #checkCall(options: CallOptions | undefined) {
    try {
      const given: CallOptions = checkOptions(options, CALL_OPTIONS);
      return {
        signal: checkSignal(given.signal),
        deadlineMs: durationOption(
          "deadlineMs",
          given.deadlineMs,
          this.#options.deadlineMs,
          1,
          LONGEST_WAIT_MS,
        ),
      };
    } catch (error) {
      throw unreadable("options", error);
    }
  }

  async #close(graceMs: number): Promise<CloseOutcome> {
    this.#closing.abort();
    this.#subscriptions.close();
    this.#namespaces.stopRevalidating();
    // Before the connection ends: a load that ends now gives its lease back.
    const settled = Promise.all([this.#namespaces.settled(), this.#invalidationQueue.emptied()]);
    await runWithin(this.#clock, graceMs, settled);
    this.#runner.close();
    await this.#connection.close(graceMs);
    const unacknowledged = await this.#invalidationQueue.close();
    this.#unobserve();
    this.#namespaces.clear();
    this.#events.close();
    return { unacknowledged };
  }

  #fault(error: unknown): void {
    if (this.#options.onEvent === undefined) warnOfFault(error);
    this.#events.report({ kind: "fault", error: errorNameOf(error), at: placeOf(error) });
  }

  #pulse(): boolean {
    const aheadMs = this.#coherence.pulse();
    if (aheadMs === 0) return false;
    const suspectCopies = this.#namespaces.nearSize().entries;
    this.#events.report({ kind: "clocksDiverged", aheadMs, suspectCopies });
    this.#namespaces.revalidate();
    return true;
  }

  #epochSeen(epoch: bigint, predecessors: readonly EndedEpoch[]): void {
    if (epoch !== this.#coherence.epoch) this.#namespaces.continueIn(epoch, predecessors);
    this.#coherence.epochSeen(epoch, predecessors);
  }

  #gap(gap: Gap): void {
    this.#counters.gaps += 1;
    const suspectCopies = this.#namespaces.nearSize().entries;
    this.#events.report({ kind: "gap", cause: gapCauseOf(gap), suspectCopies });
    this.#coherence.epochSeen(gap.epoch);
    this.#coherence.missedEvents();
    this.#subscriptions.gap(gap);
    this.#namespaces.revalidate();
  }
}
