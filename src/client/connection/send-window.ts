/**
 * The bounded window of calls: those that wait to be sent, which it packs into batches, and those under way.
 *
 * The window is a list that runs through the calls themselves. In a Set whose members come and go the table is rebuilt
 * again and again, and each old table keeps its calls alive until a full collection: most of the client's time went there.
 */

import { newArray } from "../../codec/fast/messages.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import { Fifo } from "../../common/fifo.ts";
import { LinkedList } from "../../common/linked-list.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import type { Call } from "./pending-call.ts";

/**
 * Several batches overlap: the server answers one while it reads the next. With one batch both sides would wait for each
 * other.
 */
const BATCH_MAX_OPERATIONS = 128;
/** So many operations, or bytes, fill a message well enough to be sent whatever else is under way. */
const BATCH_MIN_OPERATIONS = 16;
const BATCH_MIN_BYTES = 16_384;
const BATCH_MAX_BYTES = 1_900_000;

export interface WindowLimits {
  readonly inFlightMaxOperations: number;
  readonly inFlightMaxBytes: number;
}

export class CallQueue {
  readonly #limits: WindowLimits;
  #batchMaxOperations = BATCH_MAX_OPERATIONS;
  #batchMaxBytes = BATCH_MAX_BYTES;
  readonly #together = new Fifo<Call>();
  #togetherBytes = 0;
  readonly #alone = new Fifo<Call>();
  readonly #window = new LinkedList<Call>();
  #bytes = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** From now on no batch of several calls is larger than the server takes. */
  follow({ batchMaxOperations, batchMaxBytes, receiveMaxBytes }: ServerLimits): void {
    this.#batchMaxOperations = Math.min(BATCH_MAX_OPERATIONS, batchMaxOperations);
    this.#batchMaxBytes = Math.min(BATCH_MAX_BYTES, batchMaxBytes, receiveMaxBytes);
  }

  /** How many calls were admitted and not released. */
  get size(): number {
    return this.#window.size;
  }

  /** The calls in the window, the oldest first; some may be settled. */
  admitted(): Call[] {
    return [...this.#window];
  }

  /** Takes a call, or returns LIMIT_EXCEEDED when the window is full. */
  admit(call: Call): CacheError | undefined {
    const { inFlightMaxOperations, inFlightMaxBytes } = this.#limits;
    if (this.#window.size >= inFlightMaxOperations) {
      return limitExceeded("inFlightMaxOperations", String(inFlightMaxOperations));
    }
    if (this.#bytes + call.plan.sizeBytes > inFlightMaxBytes) {
      return limitExceeded("inFlightMaxBytes", String(inFlightMaxBytes));
    }
    this.#window.add(call);
    this.#bytes += call.plan.sizeBytes;
    this.#push(call);
    return undefined;
  }

  /** Puts calls that are to be sent again in front of all that wait. */
  putBack(calls: readonly Call[]): void {
    const later = this.drain();
    for (const call of calls) this.#push(call);
    for (const call of later) this.#push(call);
  }

  /** A call is answered or has failed: it leaves the window. Twice does nothing. */
  release(call: Call): void {
    if (this.#window.delete(call)) this.#bytes -= call.plan.sizeBytes;
  }

  /** Calls wait to be sent. */
  get waiting(): boolean {
    return this.#together.length > 0 || this.#alone.length > 0;
  }

  /** The calls that wait to be sent. */
  waitingCalls(): Call[] {
    return [...this.#together.toArray(), ...this.#alone.toArray()];
  }

  /** Calls wait that may share a message, and are too few for a good one. */
  get waitingFew(): boolean {
    const { length } = this.#together;
    return length > 0 && length < BATCH_MIN_OPERATIONS && this.#togetherBytes < BATCH_MIN_BYTES;
  }

  /**
   * The next calls to send as one message, in their order; undefined when none may be sent now. `server`: "busy" makes
   * those that may share a message wait until they fill it; "idle" takes half of them if both halves are worth a message,
   * so that both sides are at work while the other one follows. `mayWait`: the server takes one more call that waits for
   * a lease. Settled calls are released.
   */
  take(server: "idle" | "working" | "busy", mayWait: boolean): Call[] | undefined {
    const { length } = this.#together;
    const full = length >= this.#batchMaxOperations || this.#togetherBytes > this.#batchMaxBytes;
    const two = length >= 2 * BATCH_MIN_OPERATIONS || this.#togetherBytes >= 2 * BATCH_MIN_BYTES;
    const half = two ? Math.ceil(length / 2) : length;
    const most = server === "idle" ? Math.min(half, this.#batchMaxOperations) : this.#batchMaxOperations;
    const batch = full || server !== "busy" ? this.#takeTogether(most) : [];
    if (batch.length > 0) return batch;
    if (!mayWait) return undefined;
    for (let call = this.#alone.shift(); call !== undefined; call = this.#alone.shift()) {
      if (!call.settled) return [call];
      this.release(call);
    }
    return undefined;
  }

  /** Takes all calls that wait. They stay in the window until they are released. */
  drain(): Call[] {
    const calls = this.waitingCalls();
    this.#together.clear();
    this.#togetherBytes = 0;
    this.#alone.clear();
    return calls;
  }

  #push(call: Call): void {
    const { alone, sizeBytes } = call.plan;
    if (!alone) this.#togetherBytes += sizeBytes;
    (alone ? this.#alone : this.#together).push(call);
  }

  #takeTogether(mostOperations: number): Call[] {
    const batch = newArray<Call>();
    let bytes = 0;
    for (let call = this.#together.peek(); call !== undefined; call = this.#together.peek()) {
      const { sizeBytes } = call.plan;
      if (call.settled) this.release(call);
      else {
        const full = batch.length === mostOperations || bytes + sizeBytes > this.#batchMaxBytes;
        if (full && batch.length > 0) break;
        batch.push(call);
        bytes += sizeBytes;
      }
      this.#togetherBytes -= sizeBytes;
      this.#together.shift();
    }
    return batch;
  }
}
