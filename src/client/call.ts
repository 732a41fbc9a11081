/** One operation on its way: queued, sent, perhaps sent again, and settled once. */
import type { Operation, OperationResult } from "../../gen/meshcache/v1/cache_pb.ts";
import type { CacheError } from "../errors.ts";
import { NOT_COVERED } from "./coherence.ts";

export type OperationReply = OperationResult["result"];

/**
 * What may be done when a stream ended between an operation and its answer. "anyEpoch": again, wherever, for
 * doing it twice is doing it once. "sameEpoch": again where the first try would be remembered by its request
 * id. "never": its effect stays unknown.
 */
export type RetryRule = "anyEpoch" | "sameEpoch" | "never";

export interface CallOwner {
  /** Just before each sending: what the fill rule will ask for. */
  coverage?(): number;
  /** Synchronous, from inside the frame that brought the answer, so that a fill cannot be overtaken. */
  answered(reply: OperationReply, call: Call): void;
  failed(error: CacheError): void;
  /** The answer, after the caller had given up. */
  late?(reply: OperationReply): void;
}

export interface CallPlan {
  readonly namespace: string;
  readonly operation: Operation;
  /** An upper bound of its encoded size, but for a constant. */
  readonly sizeBytes: number;
  readonly deadlineAtMs: number;
  readonly retry: RetryRule;
  /** Goes in a batch of its own, since it may hold back the answer. */
  readonly alone: boolean;
}

export class Call {
  readonly plan: CallPlan;
  readonly #owner: CallOwner;
  #settled = false;
  /** When it was last sent, and first: the age of what it reads and of what it writes. */
  sentAtMs = 0;
  firstSentAtMs = 0;
  attempts = 0;
  /** The epoch of the server it was first sent to; 0n: it was not. */
  sentEpoch = 0n;
  coverage = NOT_COVERED;
  /** Its neighbours in the window. */
  older: Call | undefined;
  newer: Call | undefined;

  constructor(plan: CallPlan, owner: CallOwner) {
    this.plan = plan;
    this.#owner = owner;
  }

  get settled(): boolean {
    return this.#settled;
  }

  sending(nowMs: number, epoch: bigint): void {
    if (this.attempts === 0) {
      this.firstSentAtMs = nowMs;
      this.sentEpoch = epoch;
    }
    this.attempts += 1;
    this.sentAtMs = nowMs;
    this.coverage = this.#owner.coverage?.() ?? NOT_COVERED;
  }

  answer(reply: OperationReply): void {
    if (this.#settled) {
      this.#owner.late?.(reply);
      return;
    }
    this.#settled = true;
    this.#owner.answered(reply, this);
  }

  fail(error: CacheError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.#owner.failed(error);
  }
}
