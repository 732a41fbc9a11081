/**
 * The client's connection to the mesh: one Exchange stream at a time, and the next one when that ends or its server
 * drains. Calls of one tick become one message, within a bounded window, and each is answered or failed by its deadline.
 *
 *   idle         nothing was asked for yet: there is no stream.
 *   connecting   calls wait in the window.
 *   ready        calls are sent.
 *   unavailable  every address has failed since the last stream: until the next one invalidations wait, and other calls fail
 *                at once.
 *   closed       calls are refused.
 *
 * A draining server, and a connection that is to end, keep their stream until the next one is ready; only then do calls
 * and events move over. When a server drains and no address leads to another one, the client leaves instead: the server would
 * wait for it in vain.
 */
import { type Event, type Gap, Gap_Reason, type Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { CacheError, type CacheErrorReason } from "../../common/errors.ts";
import type { Rng } from "../../common/random.ts";
import { rootCauseText } from "../../common/root-cause.ts";
import type { ReportEvent } from "../api/client-events.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { EndedEpoch } from "../coherence/coherence.ts";
import type { Cover } from "../coherence/selector-cover.ts";
import type { LocalSubscription } from "../coherence/subscription-set.ts";
import { Barriers } from "./barriers.ts";
import { type CallCounters, CallSender } from "./call-sender.ts";
import type { ExchangeStream, StreamDeps } from "./exchange-stream.ts";
import { noServer, toProblem, unavailable } from "./failures.ts";
import { Heartbeat, type HeartbeatOptions } from "./heartbeat.ts";
import type { Call } from "./pending-call.ts";
import { Reconnection, type ReconnectionOptions } from "./reconnection.ts";
import type { WindowLimits } from "./send-window.ts";
import { StoreProbe } from "./store-probe.ts";
import { StoreSightings } from "./store-sightings.ts";
import { StreamHandover, type StreamRole } from "./stream-handover.ts";
import { Subscriptions } from "./subscriptions.ts";

export interface ConnectionOptions extends WindowLimits, ReconnectionOptions, HeartbeatOptions {
  /** How long a stream may take to become ready. */
  readonly connectTimeoutMs: number;
}

export interface ConnectionDeps extends StreamDeps {
  readonly rng: Rng;
  /** Runs `flush` soon, after what is running now, and without a timer. */
  readonly scheduleFlush: (flush: () => void) => void;
  readonly report: ReportEvent;
}

/** What the owner of the connection is told, in the order of the frames. */
export interface ConnectionObserver {
  /** A stream became the primary. It has not caught up. `predecessors`: the epochs that this one continues. */
  opened(epoch: bigint, predecessors: readonly EndedEpoch[]): void;
  /** The primary answered a subscription. While it had none, nothing told of the epochs that the store came to. */
  epochSeen(epoch: bigint, predecessors: readonly EndedEpoch[]): void;
  /** What the subscription of the primary covers from now on. */
  covered(cover: Cover): void;
  /** Calls are about to be sent. What is submitted now as the first goes before all of them. */
  sending(): void;
  events(events: readonly Event[]): void;
  /** Events of a replaced stream. The primary delivers them again, in their order, but perhaps later. */
  eventsOfReplaced(events: readonly Event[]): void;
  gap(gap: Gap): void;
  caughtUp(): void;
  /** There is no primary stream any more. */
  lost(): void;
  /** Every address has failed since the last stream. */
  unavailable(): void;
  /** The heartbeat is about to ping. True: the clocks have diverged, so that earlier pings renew no lease. */
  pulse(): boolean;
  /** Two stores answer at this address. Called each time that this shows. */
  twoStores(address: string): void;
  /** One store remains at each address. */
  oneStore(address: string): void;
  /** `leaseFromMs`: when the ping was sent, by the lease clock. */
  pingAnswered(leaseFromMs: number): void;
}

/**
 * "idle": nothing was asked for yet. "connecting": operations wait for a stream. "ready": operations are sent. "unavailable":
 * no address answers: invalidations wait, and other operations fail at once. "closed": the client was closed.
 */
export type ConnectionState = "idle" | "connecting" | "ready" | "unavailable" | "closed";

/** What the connection did, counted from when the client was made. */
export interface ConnectionCounters extends CallCounters {
  /** Streams that became ready. */
  streams: number;
  /** Attempts that failed, and streams that ended. */
  failures: number;
}

/** Why a server that is there has no stream for this client. */
const REFUSED_REASONS: ReadonlySet<CacheErrorReason> = new Set([
  "FIELD_INVALID",
  "UNAUTHENTICATED",
  "LIMIT_EXCEEDED",
]);

export class Connection {
  readonly counters: ConnectionCounters = { streams: 0, failures: 0, batches: 0, operations: 0, retries: 0 };
  readonly #deps: ConnectionDeps;
  readonly #observer: ConnectionObserver;
  readonly #calls: CallSender;
  readonly #streams: StreamHandover;
  readonly #reconnection: Reconnection;
  readonly #heartbeat: Heartbeat;
  readonly #subscriptions: Subscriptions;
  readonly #stores = new StoreSightings();
  readonly #probe: StoreProbe;
  readonly #barriers = new Barriers(() => this.#streams.primary);
  #state: ConnectionState = "idle";
  /** The server of the primary stream drains. */
  #serverDrains = false;
  #flushScheduled = false;

  constructor(options: ConnectionOptions, deps: ConnectionDeps, observer: ConnectionObserver) {
    this.#deps = deps;
    this.#observer = observer;
    this.#calls = new CallSender(options, deps.clock, this.counters, () => {
      const { primary } = this.#streams;
      if (primary !== undefined) this.#heartbeat.callOverdue(primary);
    });
    this.#reconnection = new Reconnection(options, deps);
    this.#heartbeat = new Heartbeat(options, deps.clock, (stream) => {
      if (observer.pulse()) stream.forgetLeases();
    });
    this.#probe = new StoreProbe(options, deps, (address, epoch) => this.#oneStoreAt(address, epoch));
    this.#subscriptions = new Subscriptions((cover) => observer.covered(cover), deps.report);
    this.#streams = new StreamHandover(deps, options.connectTimeoutMs, {
      promoted: (stream) => this.#promoted(stream),
      missedEvents: ({ cursor, epoch }) => {
        const reason = Gap_Reason.CURSOR_EXPIRED;
        observer.gap({ $typeName: "meshcache.v1.Gap", reason, cursor, epoch });
      },
      promotionDone: (stream) => this.#promotionDone(stream),
      subscribeAgain: (stream) => this.#subscriptions.subscribe(stream, stream === this.#streams.primary),
      subscribed: (stream) => {
        observer.epochSeen(stream.epoch, stream.predecessors);
        this.#subscriptions.answered(stream);
      },
      events: (events) => observer.events(events),
      eventsOfReplaced: (events) => observer.eventsOfReplaced(events),
      gap: (gap) => {
        observer.gap(gap);
        observer.caughtUp();
      },
      progress: (ping) => {
        observer.caughtUp();
        if (ping?.leaseFromMs !== undefined) observer.pingAnswered(ping.leaseFromMs);
      },
      draining: () => this.#draining(),
      goesAway: () => this.#goesAway(),
      released: (calls) => this.#released(calls),
      drained: () => this.#flush(),
      closed: (stream, role, error, unanswered) => this.#streamClosed(stream, role, error, unanswered),
    });
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Where calls go now, or would go next. */
  get address(): string {
    return this.#streams.primary?.address ?? this.#reconnection.address;
  }

  /** What the primary is subscribed to. */
  get selectors(): readonly Selector[] {
    return this.#streams.primary?.selectors ?? [];
  }

  /** How many shards the store of the server has. 0: there is no stream. */
  get shards(): number {
    return this.#streams.primary?.shards ?? 0;
  }

  get inFlight(): number {
    return this.#calls.inFlight;
  }

  /** What a call may be now: the limits of the server that calls go to, or assumed ones before the first Opened. */
  get limits(): ServerLimits {
    return this.#calls.limits;
  }

  /** Calls are sent as they come: there is a stream. */
  get isConnected(): boolean {
    return this.#streams.primary !== undefined;
  }

  /** Calls wait to be sent. */
  get hasWaitingCalls(): boolean {
    return this.#calls.waiting;
  }

  /** Of these a Set, Touch or Increment waits to be sent. */
  get namespacesToWrite(): Set<string> {
    return this.#calls.namespacesToWrite;
  }

  /** What a call fails with in the state "unavailable". Its cause is that of the last failure. */
  unreachable(): CacheError {
    const { addresses, lastFailure } = this.#reconnection;
    // The servers are there and refuse this client: its id, say. Or its TLS files cannot be used.
    if (lastFailure !== undefined && REFUSED_REASONS.has(lastFailure.reason)) return lastFailure;
    return noServer(addresses, lastFailure);
  }

  // ---- What callers ask for ------------------------------------------------------------------------------

  /** Takes a call; it is settled exactly once. Connects if there is no stream. */
  submit(call: Call): void {
    const refusal = this.#admit(call);
    if (refusal !== undefined) {
      call.fail(refusal);
      return;
    }
    this.#connect();
    this.#scheduleFlush();
  }

  /** As `submit`, for a call without a deadline whose owner bounds how many there are. `isFirst`: it goes before all others. */
  submitBeyond(call: Call, isFirst: boolean): void {
    const refusal = this.#refusal(call);
    if (refusal !== undefined) {
      call.fail(refusal);
      return;
    }
    this.#calls.admitBeyond(call, isFirst);
    this.#scheduleFlush();
  }

  /** Sends soon what waits. */
  flushSoon(): void {
    this.#scheduleFlush();
  }

  /**
   * Subscribes to the events of an subscription, on this stream and on every later one, until `unwatch`. Throws CLOSED, and
   * LIMIT_EXCEEDED for more namespaces than the server takes.
   */
  watch(subscription: LocalSubscription): void {
    if (this.#state === "closed") throw new CacheError("CLOSED", "the client is closed");
    const { primary, candidate } = this.#streams;
    this.#subscriptions.add(
      subscription,
      this.counters.streams > 0 ? this.limits : undefined,
      primary,
      candidate,
    );
    this.#connect();
    this.#scheduleFlush();
  }

  unwatch(subscription: LocalSubscription): void {
    if (this.#subscriptions.delete(subscription)) this.#scheduleFlush();
  }

  /** Calls `passed` once every event from before now has been applied. Returns what cancels the wait. */
  barrier(passed: () => void): () => void {
    this.#connect();
    return this.#barriers.add(passed);
  }

  /** Refuses new calls, gives those under way `graceMs` to finish, and then ends everything. */
  async close(graceMs: number): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#flush();
    if (this.#calls.inFlight > 0 && this.#streams.mayAnswer) {
      await new Promise<void>((resolve) => {
        const timer = this.#deps.clock.schedule(graceMs, resolve);
        this.#calls.onIdle(() => {
          timer.cancel();
          resolve();
        });
      });
    }
    const closed = new CacheError("CLOSED", "the client is closed");
    this.#reconnection.cancel();
    this.#heartbeat.stop();
    this.#probe.stop();
    this.#streams.close(closed);
    this.#calls.failAll(closed);
  }

  // ---- Streams -------------------------------------------------------------------------------------------

  #connect(): void {
    if (this.#state !== "idle") return;
    this.#state = "connecting";
    this.#openCandidate();
  }

  #openCandidate(): void {
    let stream: ExchangeStream;
    try {
      stream = this.#streams.open(this.#reconnection.address);
    } catch (cause) {
      const { address } = this.#reconnection;
      const isRefusal = cause instanceof CacheError && cause.reason === "FIELD_INVALID";
      const error = isRefusal
        ? cause
        : unavailable(`no stream to ${address} could be begun: ${rootCauseText(cause)}`, cause);
      this.#attemptFailed(address, error);
      this.#afterFailure(error, []);
      return;
    }
    this.#subscriptions.begin(stream);
  }

  #promoted(stream: ExchangeStream): void {
    this.#reconnection.attemptSucceeded();
    this.counters.streams += 1;
    this.#deps.report({ kind: "connected", address: stream.address });
    this.#serverDrains = false;
    if (this.#state !== "closed") this.#state = "ready";
    this.#calls.follow(stream.limits);
    this.#observer.opened(stream.epoch, stream.predecessors);
    if (this.#stores.met(stream.address, stream.epoch)) {
      this.#observer.twoStores(stream.address);
      this.#probe.start(stream.address);
    }
    this.#subscriptions.promoted(stream);
  }

  /** Only this store answers at an address where there were two. */
  #oneStoreAt(address: string, epoch: bigint): void {
    const { primary } = this.#streams;
    if (primary?.address === address && primary.epoch !== epoch) {
      // Operations go to the one that is not reached any more: the next stream goes to the other.
      this.#probe.start(address);
      this.#goesAway();
    } else if (!this.#probe.isAsking) this.#observer.oneStore(address);
  }

  #promotionDone(stream: ExchangeStream): void {
    this.#observer.sending();
    this.#barriers.ask(stream);
    this.#heartbeat.start(stream);
    this.#flush();
  }

  #draining(): void {
    if (!this.#serverDrains) this.#deps.report({ kind: "serverDraining", address: this.address });
    this.#serverDrains = true;
    this.#stores.drains(this.address);
    if (this.#streams.candidate !== undefined || this.#reconnection.isWaiting) return;
    if (this.#state !== "ready") return;
    this.#reconnection.skipAddress();
    this.#openCandidate();
  }

  /**
   * Concerns the connection alone: the server behind its address is still there. The next attempt is delayed, because a
   * proxy tells all of its clients in the same moment, and may tell each new connection too.
   */
  #goesAway(): void {
    if (this.#state !== "ready" || this.#streams.candidate !== undefined || this.#reconnection.isWaiting)
      return;
    this.#reconnection.schedule(() => this.#openCandidate());
  }

  #streamClosed(
    { address }: ExchangeStream,
    role: StreamRole,
    error: CacheError,
    unanswered: readonly Call[],
  ): void {
    if (role === "replaced") {
      this.#resend(unanswered, error);
      return;
    }
    if (role === "candidate") this.#attemptFailed(address, error);
    else {
      this.counters.failures += 1;
      this.#reportFailure("connectionLost", address, error);
      this.#primaryGone();
    }
    this.#afterFailure(error, unanswered);
  }

  #attemptFailed(address: string, error: CacheError): void {
    this.counters.failures += 1;
    this.#reportFailure("connectFailed", address, error);
    this.#reconnection.attemptFailed();
  }

  #reportFailure(kind: "connectFailed" | "connectionLost", address: string, error: CacheError): void {
    if (this.#state === "closed") return;
    this.#deps.report({ kind, address, ...toProblem(error) });
  }

  #primaryGone(): void {
    this.#serverDrains = false;
    this.#heartbeat.stop();
    this.#subscriptions.lost();
    this.#observer.lost();
  }

  /** Leaves a draining server that has no successor, with what it was asked before. */
  #leaveDrainingServer(): void {
    this.#flush();
    this.#primaryGone();
    this.#streams.retirePrimary();
  }

  #afterFailure(error: CacheError, unanswered: readonly Call[]): void {
    this.#reconnection.lastFailure = error;
    if (this.#state === "closed") {
      this.#resend(unanswered, error);
      return;
    }
    if (this.#serverDrains && this.#reconnection.isExhausted) this.#leaveDrainingServer();
    if (this.#streams.primary === undefined) {
      this.#withoutStream(error);
      this.#calls.failOwned(error);
    }
    this.#resend(unanswered, error);
    if (this.#streams.candidate === undefined && !this.#reconnection.isWaiting) {
      this.#reconnection.schedule(() => this.#openCandidate());
    }
  }

  #withoutStream(error: CacheError): void {
    const { addresses, isExhausted } = this.#reconnection;
    if (isExhausted && this.#state !== "unavailable") {
      this.#deps.report({ kind: "unavailable", addresses, ...toProblem(error) });
    }
    this.#state = isExhausted ? "unavailable" : "connecting";
    if (isExhausted) this.#observer.unavailable();
  }

  // ---- Calls ---------------------------------------------------------------------------------------------

  /** Why the call is not taken, if it is not. */
  #admit(call: Call): CacheError | undefined {
    const refusal = this.#refusal(call) ?? this.#calls.admit(call);
    if (refusal?.reason === "LIMIT_EXCEEDED") {
      this.#deps.report({ kind: "overflow", reason: "operations", namespace: "" });
    }
    return refusal;
  }

  #refusal(call: Call): CacheError | undefined {
    if (this.#state === "closed") return new CacheError("CLOSED", "the client is closed");
    if (this.#state === "unavailable") return this.unreachable();
    const isGone = this.counters.streams > 0 && !this.isConnected;
    if (!isGone || call.plan.retry !== "byOwner") return undefined;
    return unavailable("there is no connection", this.#reconnection.lastFailure);
  }

  #scheduleFlush(): void {
    if (this.#flushScheduled) return;
    this.#flushScheduled = true;
    this.#deps.scheduleFlush(() => {
      this.#flushScheduled = false;
      this.#flush();
    });
  }

  #flush(): void {
    const { primary, candidate } = this.#streams;
    if (this.#subscriptions.changed) {
      // Both: the candidate may never be ready, and the primary goes on until then.
      if (candidate !== undefined) this.#subscriptions.subscribe(candidate, false);
      if (primary !== undefined) this.#subscriptions.subscribe(primary, true);
    }
    const stream = this.#streams.primary;
    if (stream === undefined) return;
    if (!stream.congested) this.#observer.sending();
    this.#calls.sendOn(stream);
  }

  #resend(calls: readonly Call[], error: CacheError): void {
    this.#calls.resend(calls, error, this.#state === "closed");
    if (this.#state === "unavailable") this.#calls.failWaiting(error);
    this.#scheduleFlush();
  }

  #released(calls: readonly Call[]): void {
    this.#calls.release(calls);
    // Later, so that what callers ask for upon these answers goes with it.
    if (this.#calls.waiting) this.#scheduleFlush();
    this.#calls.checkIdle();
  }
}
