/** Takes calls into the window, sends them on a stream, and sends them again, or fails them, when a stream ends. */
import type { Clock } from "../../common/clock.ts";
import type { CacheError } from "../../common/errors.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import { type ExchangeStream, unavailable } from "./exchange-stream.ts";
import { MessagePacing } from "./message-pacing.ts";
import type { Call } from "./pending-call.ts";
import { CallQueue, type WindowLimits } from "./send-window.ts";

/** Counted from the start. */
export interface CallCounters {
  batches: number;
  operations: number;
  retries: number;
}

/** A call that failed so often by the end of its stream is likely to be the reason. */
const MAX_ATTEMPTS = 3;

export class CallSender {
  readonly #queue: CallQueue;
  readonly #pacing: MessagePacing;
  readonly #deadlines: DeadlineTimer;
  readonly #counters: CallCounters;
  #whenIdle: (() => void) | undefined;

  constructor(limits: WindowLimits, clock: Clock, counters: CallCounters) {
    this.#queue = new CallQueue(limits);
    this.#pacing = new MessagePacing(this.#queue, clock);
    this.#deadlines = new DeadlineTimer(clock, () => this.#queue.admitted());
    this.#counters = counters;
  }

  /** Calls that were taken and are not settled, or whose answer is still to come. */
  get inFlight(): number {
    return this.#queue.size;
  }

  /** Calls wait that may share a message. */
  get waiting(): boolean {
    return this.#queue.waiting;
  }

  /** Takes a call into the window. LIMIT_EXCEEDED: the window is full. */
  admit(call: Call): CacheError | undefined {
    const refusal = this.#queue.admit(call);
    if (refusal === undefined) this.#deadlines.schedule(call.plan.deadlineAtMs);
    return refusal;
  }

  /** Sends what waits, as far as the stream and the pacing of messages allow. */
  sendOn(stream: ExchangeStream): void {
    while (!stream.congested) {
      const calls = this.#pacing.take(stream.busy);
      if (calls === undefined) break;
      const sendable = calls.filter((call) => this.#mayResend(call, stream));
      if (sendable.length === 0) continue;
      this.#counters.batches += 1;
      this.#counters.operations += sendable.length;
      stream.send(sendable);
    }
    // Settled calls that waited have left the window too.
    this.checkIdle();
  }

  /** Calls whose stream ended before their answer: they wait again, or fail with `error` when they must not. */
  resend(calls: readonly Call[], error: CacheError, isClosed: boolean): void {
    const again: Call[] = [];
    for (const call of calls) {
      const mayRetry = call.plan.retry !== "never" && call.attempts < MAX_ATTEMPTS && !isClosed;
      if (call.settled || !mayRetry) this.#fail(call, error);
      else again.push(call);
    }
    this.#counters.retries += again.length;
    this.#queue.putBack(again);
  }

  /** Calls that were answered or refused leave the window. */
  release(calls: readonly Call[]): void {
    for (const call of calls) this.#queue.release(call);
  }

  /** Fails the calls that wait. */
  failWaiting(error: CacheError): void {
    for (const call of this.#queue.drain()) this.#fail(call, error);
  }

  /** Fails every call of the window, and runs the deadline timer no more. */
  failAll(error: CacheError): void {
    this.#deadlines.cancel();
    for (const call of this.#queue.admitted()) this.#fail(call, error);
  }

  /** Calls `idle` whenever the window has become empty. */
  onIdle(idle: () => void): void {
    this.#whenIdle = idle;
  }

  /** Tells when the window is empty. */
  checkIdle(): void {
    if (this.#queue.size === 0) this.#whenIdle?.();
  }

  /** A Set that may have been stored is not sent to another store, which cannot know its request id. */
  #mayResend(call: Call, stream: ExchangeStream): boolean {
    const again = call.attempts > 0;
    if (!again || call.plan.retry === "anyEpoch" || call.sentEpoch === stream.epoch) return true;
    this.#fail(call, unavailable("the server was replaced: the operation may have taken effect"));
    return false;
  }

  #fail(call: Call, error: CacheError): void {
    this.#queue.release(call);
    call.fail(error);
    this.checkIdle();
  }
}
