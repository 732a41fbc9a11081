/** One operation on its way: queued, sent, perhaps sent again, and settled once. */

import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { CacheError } from "../../common/errors.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import type { OperationReply } from "../messages/replies.ts";

/**
 * What may be done when a stream ended between an operation and its answer. "anyEpoch": again, wherever, for
 * doing it twice is doing it once. "sameEpoch": again where the first try would be remembered by its request
 * id. "never": its effect stays unknown.
 */
export type RetryRule = "anyEpoch" | "sameEpoch" | "never";

/** What is fixed when a call is made. A class for what wire/hot/messages.ts says of literals. */
export class CallPlan {
  readonly namespace: string;
  readonly operation: Operation;
  /** An upper bound of its encoded size, but for a constant. */
  readonly sizeBytes: number;
  readonly deadlineAtMs: number;
  readonly retry: RetryRule;
  /** Goes in a batch of its own, since it may hold back the answer. */
  readonly alone: boolean;

  constructor(
    namespace: string,
    operation: Operation,
    sizeBytes: number,
    deadlineAtMs: number,
    retry: RetryRule,
    alone: boolean,
  ) {
    this.namespace = namespace;
    this.operation = operation;
    this.sizeBytes = sizeBytes;
    this.deadlineAtMs = deadlineAtMs;
    this.retry = retry;
    this.alone = alone;
  }
}

/** What becomes of it is its subclass's. One object, since a client that reads a lot makes little else. */
export abstract class Call {
  readonly plan: CallPlan;
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

  constructor(plan: CallPlan) {
    this.plan = plan;
  }

  /** Just before each sending: what the fill rule will ask for. */
  protected abstract currentCoverage(): number;
  /** Synchronous, from inside the frame that brought the answer, so that a fill cannot be overtaken. */
  protected abstract answered(reply: OperationReply): void;
  protected abstract failed(error: CacheError): void;
  /** The answer, after the caller had given up. */
  protected abstract late(reply: OperationReply): void;

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
    this.coverage = this.currentCoverage();
  }

  answer(reply: OperationReply): void {
    if (this.#settled) {
      this.late(reply);
      return;
    }
    this.#settled = true;
    this.answered(reply);
  }

  fail(error: CacheError): void {
    if (this.#settled) return;
    this.#settled = true;
    this.failed(error);
  }
}
