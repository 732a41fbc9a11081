/**
 * The client's connection: one Exchange stream at a time, and the next one when that ends or its server
 * drains. It sends what is called in one tick as one message, within a bounded window, and gives every call
 * an answer or an error by its deadline.
 *
 *   connecting   calls wait in the window.
 *   ready        calls are sent.
 *   unavailable  every address has failed since the last stream: calls fail at once, until one is ready.
 *
 * A draining server, and a connection that is to end, keep their stream until the next one is ready; only then do calls
 * and events move over.
 */
import type { Event, Gap } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { Gcra } from "../../common/gcra.ts";
import type { Rng } from "../../common/random.ts";
import { type LocalSubscription, SubscriptionSet } from "../coherence/subscription-set.ts";
import { ExchangeStream, type StreamDeps, type StreamHandlers, unavailable } from "./exchange-stream.ts";
import type { Call } from "./pending-call.ts";
import { CallQueue, type WindowLimits } from "./send-window.ts";

export interface ConnectionOptions extends WindowLimits {
  readonly addresses: readonly string[];
  readonly connectTimeoutMs: number;
  readonly backoffMinMs: number;
  readonly backoffMaxMs: number;
  readonly pingMs: number;
  /** A stream whose pings go unanswered for so long is taken for dead. */
  readonly silenceMaxMs: number;
}

export interface ConnectionDeps extends StreamDeps {
  readonly rng: Rng;
  /** Runs `flush` soon, once what is running now is done, without a timer. */
  readonly scheduleFlush: (flush: () => void) => void;
}

/** What the connection tells its owner about the stream that counts, in the order of its frames. */
export interface ConnectionObserver {
  /** A stream took the place of the last, or of none. It has not caught up. */
  opened(epoch: bigint): void;
  events(events: readonly Event[]): void;
  /** Events of a stream that was replaced. The one that counts tells them too, in their order, but later. */
  overheard(events: readonly Event[]): void;
  gap(gap: Gap): void;
  caughtUp(): void;
  /** There is no stream. */
  lost(): void;
  pingAnswered(sentAtMs: number): void;
}

export type ConnectionState = "idle" | "connecting" | "ready" | "unavailable" | "closed";

export interface ConnectionCounters {
  /** Streams that became ready. */
  streams: number;
  /** Attempts that failed, and streams that ended. */
  failures: number;
  batches: number;
  operations: number;
  retries: number;
}

/** More tries than this mean that the operation is not what the network fails at. */
const MAX_ATTEMPTS = 3;

/**
 * With so many batches unanswered calls wait until one is answered or they fill a message; with fewer, what is too
 * little for a good message waits for its pace, which the next call or answer looks at: as with Nagle's rule (RFC 896)
 * messages grow with the load, there is no timer, and a lone call waits for nothing.
 */
const BUSY_BATCHES = 4;

/**
 * Of messages with little in them, while others are unanswered. A message costs each side some tens of microseconds, and
 * a read in it two or three: where calls come faster than this, what waits for the schedule spares both sides a fifth of
 * their time, and with it the queue that forms when either of them stops for a moment. A lone call is not asked, but
 * counts.
 */
const SMALL_MESSAGES = { intervalMicros: 200, burst: 4 };

export class Connection {
  readonly counters: ConnectionCounters = { streams: 0, failures: 0, batches: 0, operations: 0, retries: 0 };
  readonly #options: ConnectionOptions;
  readonly #deps: ConnectionDeps;
  readonly #observer: ConnectionObserver;
  readonly #handlers: StreamHandlers;
  readonly #queue: CallQueue;
  readonly #pace = new Gcra(SMALL_MESSAGES);
  readonly #interests = new SubscriptionSet();
  readonly #barriers = new Set<() => void>();
  /** Streams that were replaced and still owe answers. */
  readonly #retired = new Set<ExchangeStream>();
  /** What the candidate said before it was ready. */
  #early: (() => void)[] = [];
  #primary: ExchangeStream | undefined;
  #candidate: ExchangeStream | undefined;
  #state: ConnectionState = "idle";
  #cursor: Uint8Array = new Uint8Array(0);
  #address = 0;
  #failedAttempts = 0;
  #lastFailure: CacheError | undefined;
  #flushScheduled = false;
  #selectionChanged = false;
  #wasSilent = false;
  #connectTimer: Timer | undefined;
  #backoffTimer: Timer | undefined;
  #pingTimer: Timer | undefined;
  #deadlineTimer: Timer | undefined;
  #deadlineTimerAtMs = Number.POSITIVE_INFINITY;
  #whenIdle: (() => void) | undefined;

  constructor(options: ConnectionOptions, deps: ConnectionDeps, observer: ConnectionObserver) {
    this.#options = options;
    this.#deps = deps;
    this.#observer = observer;
    this.#queue = new CallQueue(options);
    this.#handlers = {
      opened: (stream) => this.#opened(stream),
      events: (stream, events) => {
        if (stream === this.#primary) observer.events(events);
        else if (this.#retired.has(stream)) observer.overheard(events);
        else this.#tell(stream, () => observer.events(events));
      },
      gap: (stream, gap) =>
        this.#tell(stream, () => {
          observer.gap(gap);
          observer.caughtUp();
        }),
      progress: (stream, ping) =>
        this.#tell(stream, () => {
          observer.caughtUp();
          if (ping !== undefined) observer.pingAnswered(ping.sentAtMs);
        }),
      draining: (stream) => this.#tell(stream, () => this.#draining()),
      goesAway: (stream) => this.#tell(stream, () => this.#goesAway()),
      released: (calls) => this.#released(calls),
      drained: () => this.#flush(),
      closed: (stream, error, unanswered) => this.#streamClosed(stream, error, unanswered),
    };
  }

  get state(): ConnectionState {
    return this.#state;
  }

  /** Where calls go now, or would go next. */
  get address(): string {
    return this.#primary?.address ?? this.#nextAddress();
  }

  get inFlight(): number {
    return this.#queue.size;
  }

  /** What a call fails with while every address does. Its cause is the last failure; one that no server can mend is told itself. */
  unreachable(): CacheError {
    if (this.#lastFailure?.reason === "FIELD_INVALID") return this.#lastFailure;
    return unavailable("no server can be reached", this.#lastFailure);
  }

  // ---- What callers ask for ------------------------------------------------------------------------------

  /** Takes a call; it is settled exactly once. Connects if there is no stream. */
  submit(call: Call): void {
    const refusal = this.#admit(call);
    if (refusal !== undefined) {
      call.fail(refusal);
      return;
    }
    this.#armDeadline(call.plan.deadlineAtMs);
    this.#connect();
    this.#scheduleFlush();
  }

  /** Subscribes to what the interest is about, as long as there is a connection, until `unwatch`. */
  watch(interest: LocalSubscription): void {
    if (this.#state === "closed") throw new CacheError("CLOSED", "the client is closed");
    this.#interests.add(interest);
    this.#selectionChanged = true;
    this.#connect();
    this.#scheduleFlush();
  }

  unwatch(interest: LocalSubscription): void {
    if (!this.#interests.delete(interest)) return;
    this.#selectionChanged = true;
    this.#scheduleFlush();
  }

  /**
   * Calls `passed` once every event from before now has been applied: when a ping sent from now on is answered.
   * Asked again on the next stream when one ends first. Returns what takes the wish back.
   */
  barrier(passed: () => void): () => void {
    const once = () => {
      if (this.#barriers.delete(once)) passed();
    };
    this.#barriers.add(once);
    this.#connect();
    if (this.#primary !== undefined) this.#pingFor(once, this.#primary);
    return () => this.#barriers.delete(once);
  }

  /** What a stream says after it was replaced proves nothing of the one that counts, which is asked itself. */
  #pingFor(barrier: () => void, stream: ExchangeStream): void {
    stream.ping(() => {
      if (stream === this.#primary) barrier();
    });
  }

  /** Refuses new calls, lets those under way finish for `graceMs`, and then ends everything. */
  async close(graceMs: number): Promise<void> {
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#flush();
    if (this.#queue.size > 0 && this.#primary !== undefined) {
      await new Promise<void>((resolve) => {
        const timer = this.#deps.clock.schedule(graceMs, resolve);
        this.#whenIdle = () => {
          timer.cancel();
          resolve();
        };
      });
    }
    const closed = new CacheError("CLOSED", "the client is closed");
    for (const timer of [this.#connectTimer, this.#backoffTimer, this.#pingTimer, this.#deadlineTimer]) {
      timer?.cancel();
    }
    for (const stream of [this.#primary, this.#candidate, ...this.#retired]) stream?.cut(closed);
    for (const call of this.#queue.admitted()) this.#refuse(call, closed);
  }

  // ---- Streams -------------------------------------------------------------------------------------------

  #connect(): void {
    if (this.#state !== "idle") return;
    this.#state = "connecting";
    this.#openCandidate();
  }

  #openCandidate(): void {
    this.#backoffTimer = undefined;
    const cursor = this.#primary?.cursor ?? this.#cursor;
    let stream: ExchangeStream;
    try {
      stream = new ExchangeStream(this.#nextAddress(), cursor, this.#deps, this.#handlers);
    } catch (cause) {
      this.counters.failures += 1;
      this.#attemptFailed();
      this.#afterFailure(unavailable("no stream could be begun", cause), []);
      return;
    }
    this.#candidate = stream;
    const { clock } = this.#deps;
    this.#connectTimer = clock.schedule(this.#options.connectTimeoutMs, () => {
      stream.cut(unavailable("the server did not answer in time"));
    });
    if (!this.#interests.empty) this.#subscribe(stream);
  }

  #opened(stream: ExchangeStream): void {
    if (stream === this.#primary) {
      for (const interest of stream.live) interest.live();
    } else if (stream === this.#candidate && stream.ready) this.#promote(stream);
  }

  #promote(stream: ExchangeStream): void {
    this.#connectTimer?.cancel();
    const replaced = this.#primary;
    this.#primary = stream;
    this.#candidate = undefined;
    this.#failedAttempts = 0;
    this.#wasSilent = false;
    this.counters.streams += 1;
    if (this.#state !== "closed") this.#state = "ready";
    this.#observer.opened(stream.epoch);
    for (const interest of this.#interests.all()) {
      if (stream.live.includes(interest)) interest.live();
      else interest.lost();
    }
    if (replaced !== undefined) this.#retire(replaced);
    for (const tell of this.#early.splice(0)) tell();
    for (const barrier of this.#barriers) this.#pingFor(barrier, stream);
    this.#pingTimer?.cancel();
    this.#pulse();
    this.#flush();
  }

  /** Keeps the replaced stream for the answers that it owes. */
  #retire(stream: ExchangeStream): void {
    this.#retired.add(stream);
    if (stream.unanswered === 0) stream.cut(unavailable("replaced by the next stream"));
  }

  /**
   * What a stream says counts from when it is the primary. A candidate whose selectors were widened tells what
   * was missed before it is ready: that waits for its turn, for it will not be told again.
   */
  #tell(stream: ExchangeStream, tell: () => void): void {
    if (stream === this.#primary) tell();
    else if (stream === this.#candidate) this.#early.push(tell);
  }

  #draining(): void {
    if (!this.#needsNext()) return;
    this.#address += 1;
    this.#openCandidate();
  }

  /**
   * Of the connection alone: behind its address there is a server as before. Not at once, for a proxy tells all of its
   * clients in the same moment, and one that tells every new connection is not to be asked without pause.
   */
  #goesAway(): void {
    if (this.#needsNext()) this.#openLater();
  }

  /** Whether the stream that is to end has no successor under way. */
  #needsNext(): boolean {
    return this.#state === "ready" && this.#candidate === undefined && this.#backoffTimer === undefined;
  }

  #streamClosed(stream: ExchangeStream, error: CacheError, unanswered: readonly Call[]): void {
    if (this.#retired.delete(stream)) {
      this.#resend(unanswered, error);
      return;
    }
    this.counters.failures += 1;
    if (stream === this.#candidate) {
      this.#candidate = undefined;
      this.#early = [];
      this.#connectTimer?.cancel();
      this.#attemptFailed();
    } else if (stream === this.#primary) {
      this.#primary = undefined;
      this.#cursor = stream.cursor;
      this.#pingTimer?.cancel();
      for (const interest of this.#interests.all()) interest.lost();
      this.#observer.lost();
    }
    this.#afterFailure(error, unanswered);
  }

  #attemptFailed(): void {
    this.#failedAttempts += 1;
    this.#address += 1;
  }

  #afterFailure(error: CacheError, unanswered: readonly Call[]): void {
    this.#lastFailure = error;
    if (this.#state === "closed") {
      this.#resend(unanswered, error);
      return;
    }
    if (this.#primary === undefined) {
      const exhausted = this.#failedAttempts >= this.#options.addresses.length;
      this.#state = exhausted ? "unavailable" : "connecting";
    }
    this.#resend(unanswered, error);
    if (this.#candidate === undefined && this.#backoffTimer === undefined) this.#openLater();
  }

  #openLater(): void {
    const { backoffMinMs, backoffMaxMs } = this.#options;
    const { clock, rng } = this.#deps;
    // A round through the addresses is one try. Full jitter, so that a restarted server is not met by all of
    // its clients at once (Brooker, "Exponential backoff and jitter", 2015).
    const round = Math.floor(this.#failedAttempts / this.#options.addresses.length);
    const delayMs = Math.ceil(rng.fraction() * Math.min(backoffMaxMs, backoffMinMs * 2 ** round));
    // It holds, as a socket does: between two of them whoever waits for an answer is not to lose the process.
    this.#backoffTimer = clock.schedule(delayMs, () => this.#openCandidate(), true);
  }

  #nextAddress(): string {
    const { addresses } = this.#options;
    return addresses[this.#address % addresses.length] ?? "";
  }

  /** Pings, acks, and takes a stream that has been silent over two pulses for dead. */
  #pulse(): void {
    const stream = this.#primary;
    if (stream === undefined) return;
    const silent = stream.silenceMs() > this.#options.silenceMaxMs;
    // A process that was paused finds its old pings unanswered although the answers wait to be read: only a
    // second look tells a dead stream from a late reader.
    if (silent && this.#wasSilent) {
      stream.cut(unavailable("the server stopped answering"));
      return;
    }
    this.#wasSilent = silent;
    stream.pulse();
    this.#pingTimer = this.#deps.clock.schedule(this.#options.pingMs, () => this.#pulse());
  }

  // ---- Calls ---------------------------------------------------------------------------------------------

  /** Why the call cannot be taken, if it cannot. */
  #admit(call: Call): CacheError | undefined {
    if (this.#state === "closed") return new CacheError("CLOSED", "the client is closed");
    if (this.#state === "unavailable") return this.unreachable();
    return this.#queue.admit(call);
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
    if (this.#selectionChanged) {
      // On both: the next stream may never be ready, and the last goes on until then.
      for (const one of [this.#candidate, this.#primary]) if (one !== undefined) this.#subscribe(one);
    }
    const stream = this.#primary;
    if (stream === undefined) return;
    while (!stream.congested) {
      const calls = this.#take(stream.busy);
      if (calls === undefined) break;
      const sendable = calls.filter((call) => this.#mayResend(call, stream));
      if (sendable.length === 0) continue;
      this.counters.batches += 1;
      this.counters.operations += sendable.length;
      stream.send(sendable);
    }
    // Calls that were settled while they waited have left with the others.
    if (this.#queue.size === 0) this.#whenIdle?.();
  }

  /** The next calls to send as one message, with so many batches unanswered. */
  #take(unanswered: number): Call[] | undefined {
    if (unanswered >= BUSY_BATCHES) return this.#queue.take("busy");
    const server = unanswered > 0 ? "working" : "idle";
    if (!this.#queue.waitingFew) return this.#queue.take(server);
    const nowMicros = this.#deps.clock.nowMicros();
    if (unanswered > 0 && !this.#pace.allows(nowMicros)) return this.#queue.take("busy");
    const calls = this.#queue.take(server);
    if (calls?.[0]?.plan.alone === false) this.#pace.count(nowMicros);
    return calls;
  }

  #subscribe(stream: ExchangeStream): void {
    this.#selectionChanged = false;
    stream.subscribe(this.#interests.selectors(), this.#interests.all());
  }

  /** A Set that may have been stored is not sent to a store that cannot remember it. */
  #mayResend(call: Call, stream: ExchangeStream): boolean {
    const again = call.attempts > 0;
    if (!again || call.plan.retry === "anyEpoch" || call.sentEpoch === stream.epoch) return true;
    this.#refuse(call, unavailable("the server was replaced: the operation may have taken effect"));
    return false;
  }

  #resend(calls: readonly Call[], error: CacheError): void {
    const again: Call[] = [];
    for (const call of calls) {
      const retry = call.plan.retry !== "never" && call.attempts < MAX_ATTEMPTS && this.#state !== "closed";
      if (call.settled || !retry) this.#refuse(call, error);
      else again.push(call);
    }
    this.counters.retries += again.length;
    this.#queue.putBack(again);
    if (this.#state === "unavailable") {
      for (const call of this.#queue.drain()) this.#refuse(call, error);
    }
    this.#scheduleFlush();
  }

  #refuse(call: Call, error: CacheError): void {
    this.#queue.release(call);
    call.fail(error);
    if (this.#queue.size === 0) this.#whenIdle?.();
  }

  #released(calls: readonly Call[]): void {
    for (const call of calls) this.#queue.release(call);
    // Not at once: what the answers make their callers ask for next goes with it.
    if (this.#queue.waiting) this.#scheduleFlush();
    for (const stream of this.#retired) {
      if (stream.unanswered === 0) stream.cut(unavailable("replaced by the next stream"));
    }
    if (this.#queue.size === 0) this.#whenIdle?.();
  }

  /** One timer for all deadlines: it looks at the whole window, but hardly more often than a deadline is long. */
  #armDeadline(atMs: number): void {
    if (atMs >= this.#deadlineTimerAtMs) return;
    this.#deadlineTimer?.cancel();
    this.#deadlineTimerAtMs = atMs;
    const delayMs = Math.max(0, atMs - this.#deps.clock.nowMs());
    this.#deadlineTimer = this.#deps.clock.schedule(delayMs, () => this.#failOverdue());
  }

  #failOverdue(): void {
    this.#deadlineTimerAtMs = Number.POSITIVE_INFINITY;
    const nowMs = this.#deps.clock.nowMs();
    let nextAtMs = Number.POSITIVE_INFINITY;
    for (const call of this.#queue.admitted()) {
      if (call.settled) continue;
      if (call.plan.deadlineAtMs <= nowMs) {
        call.fail(new CacheError("DEADLINE", "there was no answer by the deadline"));
      } else nextAtMs = Math.min(nextAtMs, call.plan.deadlineAtMs);
    }
    if (nextAtMs < Number.POSITIVE_INFINITY) this.#armDeadline(nextAtMs);
  }
}
