/**
 * The bounded window of calls: those that wait to be sent, which it packs into batches, and those under way. A part of it is
 * kept for invalidations. The calls of bulk operations wait in front of it, and have at most half of it.
 *
 * The window is a list that runs through the calls themselves. In a Set whose members come and go the table is rebuilt
 * again and again, and each old table keeps its calls alive until a full collection: most of the client's time went there.
 */

import { newArray } from "../../codec/fast/messages.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import { Fifo } from "../../common/fifo.ts";
import { LinkedList } from "../../common/linked-list.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { BulkCalls } from "./bulk-calls.ts";
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
/** This part of the window, of its operations and of its bytes, is for invalidations alone. */
const RESERVED_SHARE = 1 / 16;
const BULK_BYTES_SHARE = 1 / 2;

export interface WindowLimits {
  readonly inFlightMaxOperations: number;
  readonly inFlightMaxBytes: number;
}

export class CallQueue {
  readonly #limits: WindowLimits;
  #batchMaxOperations = BATCH_MAX_OPERATIONS;
  #batchMaxBytes = BATCH_MAX_BYTES;
  /** What goes before all others, in its order. */
  readonly #first = new Fifo<Call>();
  readonly #together = new Fifo<Call>();
  /** Of both. */
  #togetherBytes = 0;
  readonly #alone = new Fifo<Call>();
  readonly #window = new LinkedList<Call>();
  #bytes = 0;
  readonly #bulk: BulkCalls;
  #bulkBytes = 0;
  readonly #hasBulkRoom = (call: Call): boolean => {
    const { sizeBytes, invalidates } = call.plan;
    const bulkMaxBytes = this.#limits.inFlightMaxBytes * BULK_BYTES_SHARE;
    if (!invalidates && this.#bulkBytes > 0 && this.#bulkBytes + sizeBytes > bulkMaxBytes) return false;
    // Whatever does not fit into an empty window is refused by `admit`.
    return this.#window.size === 0 || this.#refusal(call) === undefined;
  };

  constructor(limits: WindowLimits) {
    this.#limits = limits;
    this.#bulk = new BulkCalls(limits.inFlightMaxOperations);
  }

  /** From now on no batch of several calls is larger than the server takes. */
  follow({ batchMaxOperations, batchMaxBytes, receiveMaxBytes }: ServerLimits): void {
    this.#batchMaxOperations = Math.min(BATCH_MAX_OPERATIONS, batchMaxOperations);
    this.#batchMaxBytes = Math.min(BATCH_MAX_BYTES, batchMaxBytes, receiveMaxBytes);
  }

  /** How many calls were taken and not released. */
  get size(): number {
    return this.#window.size + this.#bulk.waiting;
  }

  /** All these calls: those in the window, the oldest first, and those that wait for room. Some may be settled. */
  taken(): Call[] {
    return [...this.#window, ...this.#bulk.waitingCalls()];
  }

  /** Takes a call, or returns LIMIT_EXCEEDED: the window is full, or too small for a call that would wait for room. */
  admit(call: Call): CacheError | undefined {
    if (call.plan.bulk && call.plan.sizeBytes <= this.#limits.inFlightMaxBytes) {
      this.#bulk.push(call);
      this.#admitBulk();
      return undefined;
    }
    const refusal = this.#refusal(call);
    if (refusal === undefined) this.#add(call);
    return refusal;
  }

  /** Takes a call whatever else the window holds: its owner bounds how many there are. `isFirst`: it goes before all others. */
  admitBeyond(call: Call, isFirst: boolean): void {
    this.#window.add(call);
    this.#bytes += call.plan.sizeBytes;
    if (!isFirst) this.#push(call);
    else {
      this.#togetherBytes += call.plan.sizeBytes;
      this.#first.push(call);
    }
  }

  /** Puts calls that are to be sent again in front of all that wait, but for those that go before all others. */
  putBack(calls: readonly Call[]): void {
    const later = [...this.#together.toArray(), ...this.#alone.toArray()];
    for (const call of this.#together.toArray()) this.#togetherBytes -= call.plan.sizeBytes;
    this.#together.clear();
    this.#alone.clear();
    for (const call of calls) this.#push(call);
    for (const call of later) this.#push(call);
  }

  /** A call is answered or has failed: it leaves the window. Twice does nothing. */
  release(call: Call): void {
    if (!this.#window.delete(call)) return;
    this.#bytes -= call.plan.sizeBytes;
    if (call.plan.bulk) {
      this.#bulkBytes -= call.plan.sizeBytes;
      this.#bulk.ended(call);
    }
    this.#admitBulk();
  }

  /** Calls wait to be sent. */
  get waiting(): boolean {
    return this.#togetherLength > 0 || this.#alone.length > 0;
  }

  /** The calls that wait to be sent, or for room. */
  waitingCalls(): Call[] {
    return [...this.#unsent(), ...this.#bulk.waitingCalls()];
  }

  /** Calls wait that may share a message, and are too few for a good one. */
  get waitingFew(): boolean {
    const length = this.#togetherLength;
    return length > 0 && length < BATCH_MIN_OPERATIONS && this.#togetherBytes < BATCH_MIN_BYTES;
  }

  /**
   * The next calls to send as one message, in their order; undefined when none may be sent now. `server`: "busy" makes
   * those that may share a message wait until they fill it; "idle" takes half of them if both halves are worth a message,
   * so that both sides are at work while the other one follows. `mayWait`: the server takes one more call that waits for
   * a lease. Settled calls are released.
   */
  take(server: "idle" | "working" | "busy", mayWait: boolean): Call[] | undefined {
    const length = this.#togetherLength;
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

  /** Takes all calls that wait. Those in the window stay in it until they are released. */
  drain(): Call[] {
    const unsent = this.#unsent();
    this.#first.clear();
    this.#together.clear();
    this.#togetherBytes = 0;
    this.#alone.clear();
    return [...unsent, ...this.#bulk.drain()];
  }

  get #togetherLength(): number {
    return this.#first.length + this.#together.length;
  }

  #unsent(): Call[] {
    return [...this.#first.toArray(), ...this.#together.toArray(), ...this.#alone.toArray()];
  }

  /** Why the window does not take the call now, if it does not. An empty one has its reserve for any call. */
  #refusal({ plan }: Call): CacheError | undefined {
    const { inFlightMaxOperations, inFlightMaxBytes } = this.#limits;
    const reserved = plan.invalidates || this.#window.size === 0 ? 0 : RESERVED_SHARE;
    if (this.#window.size >= inFlightMaxOperations - Math.floor(inFlightMaxOperations * reserved)) {
      return limitExceeded("inFlightMaxOperations", String(inFlightMaxOperations));
    }
    if (this.#bytes + plan.sizeBytes > inFlightMaxBytes - Math.floor(inFlightMaxBytes * reserved)) {
      return limitExceeded("inFlightMaxBytes", String(inFlightMaxBytes));
    }
    return undefined;
  }

  #add(call: Call): void {
    this.#window.add(call);
    this.#bytes += call.plan.sizeBytes;
    this.#push(call);
  }

  #admitBulk(): void {
    if (this.#bulk.waiting === 0) return;
    for (;;) {
      const call = this.#bulk.take(this.#hasBulkRoom);
      if (call === undefined) return;
      this.#bulkBytes += call.plan.sizeBytes;
      this.#bulk.begun(call);
      this.#add(call);
    }
  }

  #push(call: Call): void {
    const { alone, sizeBytes } = call.plan;
    if (!alone) this.#togetherBytes += sizeBytes;
    (alone ? this.#alone : this.#together).push(call);
  }

  #takeTogether(mostOperations: number): Call[] {
    const batch = newArray<Call>();
    let bytes = 0;
    for (;;) {
      const lane = this.#first.length > 0 ? this.#first : this.#together;
      const call = lane.peek();
      if (call === undefined) break;
      const { sizeBytes } = call.plan;
      if (call.settled) this.release(call);
      else {
        const full = batch.length === mostOperations || bytes + sizeBytes > this.#batchMaxBytes;
        if (full && batch.length > 0) break;
        batch.push(call);
        bytes += sizeBytes;
      }
      this.#togetherBytes -= sizeBytes;
      lane.shift();
    }
    return batch;
  }
}
