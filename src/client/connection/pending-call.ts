/** One operation from its caller to its answer: queued, sent, perhaps sent again, and settled exactly once. */

import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { CacheError } from "../../common/errors.ts";
import { NOT_COVERED } from "../coherence/coherence.ts";
import { type OperationReply, valueBytesIn } from "../messages/replies.ts";
import { markRetry } from "../messages/requests.ts";

/**
 * Whether an operation is sent again when a stream ended between it and its answer. "anyEpoch": yes, to any store, since
 * running it twice has the effect of running it once. "sameEpoch": to the same store, which knows its request id and does
 * not run it twice. "never": no, and whether it took effect stays unknown. "byOwner": no; it fails as soon as there is no
 * stream, sent or not, and its owner asks again once there is one.
 */
export type RetryRule = "anyEpoch" | "sameEpoch" | "never" | "byOwner";

/** What is fixed when a call is made. A class and no literal, for the reason that codec/fast/messages.ts gives. */
export class CallPlan {
  readonly namespace: string;
  readonly operation: Operation;
  /** At most what it takes in a message. */
  readonly sizeBytes: number;
  /** Infinity: none. */
  readonly deadlineAtMs: number;
  readonly retry: RetryRule;
  /** It may wait for a lease, and is sent in a batch of its own, whose answer keeps no other call waiting. */
  readonly alone: boolean;
  /** It invalidates: room in the window is kept for it. */
  readonly invalidates: boolean;
  /** It is one of many of a bulk call: it waits for room in the window. */
  readonly bulk: boolean;

  constructor(
    namespace: string,
    operation: Operation,
    sizeBytes: number,
    deadlineAtMs: number,
    retry: RetryRule,
    alone: boolean,
    invalidates: boolean,
    bulk: boolean,
  ) {
    this.namespace = namespace;
    this.operation = operation;
    this.sizeBytes = sizeBytes;
    this.deadlineAtMs = deadlineAtMs;
    this.retry = retry;
    this.alone = alone;
    this.invalidates = invalidates;
    this.bulk = bulk;
  }
}

/** The subclass decides what settling means. One object for each call: a client that reads a lot makes little else. */
export abstract class Call {
  readonly plan: CallPlan;
  #settled = false;
  /** When it was last sent, by the lease clock: the age of what it reads or writes counts from here. */
  sentAtMs = 0;
  attempts = 0;
  /** The epoch of the store that it was last sent to: one that continues those before. 0n: it was not sent. */
  sentEpoch = 0n;
  /** `currentCoverage()` when it was last sent. */
  coverage = NOT_COVERED;
  /** Of a call that is one of many: the bytes of the value that it was answered with. Undefined: it was not answered. */
  answerBytes: number | undefined;
  /** Its neighbours in the window. */
  older: Call | undefined;
  newer: Call | undefined;

  constructor(plan: CallPlan) {
    this.plan = plan;
  }

  /** The coverage for the fill rule, read just before each send. */
  protected abstract currentCoverage(): number;
  /** Called while the frame with the answer is processed, so that no event of a later frame comes before it. */
  protected abstract answered(reply: OperationReply): void;
  protected abstract failed(error: CacheError): void;
  /** Called with an answer that came after the call had failed. */
  protected abstract late(reply: OperationReply): void;

  get settled(): boolean {
    return this.#settled;
  }

  /** `sentAtMs`: by the lease clock. */
  sending(sentAtMs: number, epoch: bigint): void {
    if (this.attempts > 0) markRetry(this.plan.operation, this.sentEpoch);
    this.sentEpoch = epoch;
    this.attempts += 1;
    this.sentAtMs = sentAtMs;
    this.coverage = this.currentCoverage();
  }

  answer(reply: OperationReply): void {
    if (this.plan.bulk) this.answerBytes = valueBytesIn(reply);
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
