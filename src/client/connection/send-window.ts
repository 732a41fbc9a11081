/**
 * The bounded window of operations: those that wait to be sent, packed into batches, and those under way.
 */

import { newArray } from "../../codec/fast/messages.ts";
import { type CacheError, limitExceeded } from "../../common/errors.ts";
import { LinkedList } from "../../common/linked-list.ts";
import type { Call } from "./pending-call.ts";

/**
 * An eighth of what the server takes. Of many operations it answers the first while the next are read and
 * the answers before are delivered; in one batch both sides would wait for each other.
 */
const BATCH_MAX_OPERATIONS = 128;
/** Operations, or bytes, that are worth a message of their own whatever else is under way. */
const BATCH_MIN_OPERATIONS = 16;
const BATCH_MIN_BYTES = 16_384;
/** What the server takes in one batch, with room for the envelope. */
const BATCH_MAX_BYTES = 1_900_000;

export interface WindowLimits {
  readonly inFlightMaxOperations: number;
  readonly inFlightMaxBytes: number;
}

export class CallQueue {
  readonly #limits: WindowLimits;
  #together: Call[] = [];
  #togetherBytes = 0;
  #alone: Call[] = [];
  readonly #window = new LinkedList<Call>();
  #bytes = 0;

  constructor(limits: WindowLimits) {
    this.#limits = limits;
  }

  /** How many calls were admitted and not released. */
  get size(): number {
    return this.#window.size;
  }

  /** The calls in the window, the oldest first; some may be settled. */
  admitted(): Call[] {
    return [...this.#window];
  }

  /** Takes a call in, or says LIMIT_EXCEEDED when the window is full: what cannot be sent soon is not piled up. */
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

  /** Puts calls that were sent in vain before all that wait. */
  putBack(calls: readonly Call[]): void {
    const later = [this.#together, this.#alone];
    this.#together = [];
    this.#alone = [];
    for (const call of calls) this.#push(call);
    this.#together.push(...(later[0] ?? []));
    this.#alone.push(...(later[1] ?? []));
  }

  /** The call is answered, refused or dropped: its place in the window is free. */
  release(call: Call): void {
    if (this.#window.delete(call)) this.#bytes -= call.plan.sizeBytes;
  }

  /** Calls wait that may share a message. */
  get waiting(): boolean {
    return this.#together.length > 0;
  }

  /** Calls wait that may share a message, and are too few for a good one. */
  get waitingFew(): boolean {
    const { length } = this.#together;
    return length > 0 && length < BATCH_MIN_OPERATIONS && this.#togetherBytes < BATCH_MIN_BYTES;
  }

  /**
   * The next calls to send as one message, in their order; undefined when none wait. `server`: "busy" makes those that
   * may share a message wait until they fill it; "idle" takes half of them if both halves are worth a message, so that
   * both sides are at work while the other one follows. Settled ones are released.
   */
  take(server: "idle" | "working" | "busy"): Call[] | undefined {
    const { length } = this.#together;
    const full = length >= BATCH_MAX_OPERATIONS || this.#togetherBytes > BATCH_MAX_BYTES;
    const two = length >= 2 * BATCH_MIN_OPERATIONS || this.#togetherBytes >= 2 * BATCH_MIN_BYTES;
    const half = two ? Math.ceil(length / 2) : length;
    const most = server === "idle" ? Math.min(half, BATCH_MAX_OPERATIONS) : BATCH_MAX_OPERATIONS;
    const batch = full || server !== "busy" ? this.#takeTogether(most) : [];
    if (batch.length > 0) return batch;
    for (let call = this.#alone.shift(); call !== undefined; call = this.#alone.shift()) {
      if (!call.settled) return [call];
      this.release(call);
    }
    return undefined;
  }

  /** Empties the queue. The calls stay in the window until they are released. */
  drain(): Call[] {
    const calls = [...this.#together, ...this.#alone];
    this.#together = [];
    this.#togetherBytes = 0;
    this.#alone = [];
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
    let taken = 0;
    for (const call of this.#together) {
      if (call.settled) this.release(call);
      else {
        const full = batch.length === mostOperations || bytes + call.plan.sizeBytes > BATCH_MAX_BYTES;
        if (full && batch.length > 0) break;
        batch.push(call);
        bytes += call.plan.sizeBytes;
      }
      this.#togetherBytes -= call.plan.sizeBytes;
      taken += 1;
    }
    this.#together = this.#together.slice(taken);
    return batch;
  }
}
