/** Takes calls into the window, sends them on a stream, and sends them again, or fails them, when a stream ends. */
import type { Clock } from "../../common/clock.ts";
import { type CacheError, fieldInvalid } from "../../common/errors.ts";
import { ASSUMED_LIMITS, type ServerLimits } from "../api/server-limits.ts";
import { fitToLimits } from "../messages/fit-to-limits.ts";
import { countedBytes } from "../messages/requests.ts";
import { DeadlineTimer } from "./deadline-timer.ts";
import type { ExchangeStream } from "./exchange-stream.ts";
import { toCallError, unavailable } from "./failures.ts";
import { MessagePacing } from "./message-pacing.ts";
import type { Call } from "./pending-call.ts";
import { CallQueue, type WindowLimits } from "./send-window.ts";

/** Counted from when the client was made. */
export interface CallCounters {
  /** Messages with operations that were sent. */
  batches: number;
  /** Operations that were sent, each time that they were sent. */
  operations: number;
  /** Operations that were sent again. */
  retries: number;
}

/** A call that failed so often by the end of its stream is likely to be the reason. */
const MAX_ATTEMPTS = 3;

export class CallSender {
  readonly #queue: CallQueue;
  readonly #pacing: MessagePacing;
  readonly #deadlines: DeadlineTimer;
  readonly #counters: CallCounters;
  #limits = ASSUMED_LIMITS;
  #whenIdle: (() => void) | undefined;

  /** `unanswered`: calls that were sent, and whose answer waits for no lease, have none by their deadline. */
  constructor(limits: WindowLimits, clock: Clock, counters: CallCounters, unanswered: () => void) {
    this.#queue = new CallQueue(limits);
    this.#pacing = new MessagePacing(this.#queue, clock);
    this.#deadlines = new DeadlineTimer(
      clock,
      () => this.#queue.taken(),
      (overdue) => {
        if (overdue.some(({ attempts, plan }) => attempts > 0 && !plan.alone)) unanswered();
      },
    );
    this.#counters = counters;
  }

  /** Calls that were taken and are not settled, or whose answer is still to come. */
  get inFlight(): number {
    return this.#queue.size;
  }

  /** The limits that calls are held to: those of the server that the last stream was opened to. */
  get limits(): ServerLimits {
    return this.#limits;
  }

  /** Calls go to a server with these limits from now on. Fails those that wait and break them. */
  follow(limits: ServerLimits): void {
    if (limits === this.#limits) return;
    this.#limits = limits;
    this.#queue.follow(limits);
    for (const call of this.#queue.waitingCalls()) this.#fits(call);
  }

  /** Calls wait to be sent. */
  get waiting(): boolean {
    return this.#queue.waiting;
  }

  /** Takes a call into the window; one of a bulk call may wait for room. LIMIT_EXCEEDED: the window is full. */
  admit(call: Call): CacheError | undefined {
    const refusal = this.#queue.admit(call);
    if (refusal === undefined) this.#deadlines.schedule(call.plan.deadlineAtMs);
    return refusal;
  }

  /** As `admit`, for a call that has no deadline, and whose owner bounds how many there are. */
  admitBeyond(call: Call, isFirst: boolean): void {
    this.#queue.admitBeyond(call, isFirst);
  }

  /** Of these a Set, Touch or Increment waits to be sent. */
  get namespacesToWrite(): Set<string> {
    const writes = this.#queue.waitingCalls().filter((call) => !call.settled && isWrite(call));
    return new Set(writes.map(({ plan }) => plan.namespace));
  }

  /** Sends what waits, as far as the stream and the pacing of messages allow. */
  sendOn(stream: ExchangeStream): void {
    while (!stream.congested) {
      const mayWait = stream.waiting < this.#limits.exchangeMaxWaitingBatches;
      const calls = this.#pacing.take(stream.busy, mayWait);
      if (calls === undefined) break;
      const sendable = calls.filter((call) => this.#maySend(call, stream));
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
      const { retry } = call.plan;
      const mayRetry = retry !== "never" && retry !== "byOwner" && call.attempts < MAX_ATTEMPTS;
      if (call.settled || !mayRetry || isClosed) this.#fail(call, error);
      else if (this.#fits(call)) again.push(call);
    }
    this.#counters.retries += again.length;
    this.#queue.putBack(again);
  }

  /** Calls that were answered or refused leave the window. */
  release(calls: readonly Call[]): void {
    for (const call of calls) this.#queue.release(call);
  }

  /** There is no stream any more: fails the calls that wait and that their owners send again. */
  failOwned(error: CacheError): void {
    for (const call of this.#queue.waitingCalls()) if (call.plan.retry === "byOwner") this.#fail(call, error);
  }

  /** Fails the calls that wait. */
  failWaiting(error: CacheError): void {
    for (const call of this.#queue.drain()) this.#fail(call, error);
  }

  /** Fails every call of the window, and runs the deadline timer no more. */
  failAll(error: CacheError): void {
    this.#deadlines.cancel();
    for (const call of this.#queue.taken()) this.#fail(call, error);
    this.#queue.drain();
  }

  /** Calls `idle` whenever the window has become empty. */
  onIdle(idle: () => void): void {
    this.#whenIdle = idle;
  }

  /** Tells when the window is empty. */
  checkIdle(): void {
    if (this.#queue.size === 0) this.#whenIdle?.();
  }

  /** False: the call breaks a limit of the server, and was failed. */
  #fits(call: Call): boolean {
    if (call.settled) return true;
    const { namespace, operation } = call.plan;
    try {
      fitToLimits(namespace, operation, this.#limits);
      return true;
    } catch (error) {
      this.#fail(call, toCallError("the operation could not be checked", error));
      return false;
    }
  }

  #maySend(call: Call, stream: ExchangeStream): boolean {
    const { batchMaxBytes } = this.#limits;
    const { operation, sizeBytes } = call.plan;
    if (sizeBytes > batchMaxBytes && countedBytes(operation) > batchMaxBytes) {
      this.#fail(call, fieldInvalid("operation", `at most ${batchMaxBytes} bytes of keys, tags and values`));
      return false;
    }
    return this.#mayResend(call, stream);
  }

  /**
   * A Set that may have been stored is not sent to another store, which cannot know its request id. One that continues the
   * last one does.
   */
  #mayResend(call: Call, stream: ExchangeStream): boolean {
    const again = call.attempts > 0;
    if (!again || call.plan.retry === "anyEpoch" || call.sentEpoch === stream.epoch) return true;
    if (stream.predecessors.some(({ epoch }) => epoch === call.sentEpoch)) return true;
    this.#fail(call, unavailable("the server was replaced: the operation may have taken effect"));
    return false;
  }

  #fail(call: Call, error: CacheError): void {
    this.#queue.release(call);
    call.fail(error);
    this.checkIdle();
  }
}

function isWrite({ plan: { operation } }: Call): boolean {
  const kind = operation.operation.case;
  return kind === "set" || kind === "touch" || kind === "increment";
}
