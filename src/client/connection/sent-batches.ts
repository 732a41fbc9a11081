/** The batches that were sent on one stream and are not answered, in the order of their ids. */
import type { ExchangeRequest, Operation, OperationResult } from "../../../gen/meshcache/v1/cache_pb.ts";
import { newArray } from "../../codec/fast/messages.ts";
import { type CallbackErrors, joinErrors, NO_ERRORS, throwErrors } from "../../common/callback-errors.ts";
import type { CacheError } from "../../common/errors.ts";
import { batchFrame } from "../messages/requests.ts";
import { toCallError } from "./failures.ts";
import type { Call } from "./pending-call.ts";

/** A class and no literal, for the reason that codec/fast/messages.ts gives. */
class SentBatch {
  readonly id: bigint;
  readonly calls: readonly Call[];
  /** How many of the calls, from the first, have their result: an answer may come in several frames. */
  answered = 0;

  constructor(id: bigint, calls: readonly Call[]) {
    this.id = id;
    this.calls = calls;
  }
}

/** Sends a frame and returns its id, greater than any before, or throws. */
type SendFrame = (frame: ExchangeRequest["frame"]) => bigint;

const NO_CALLS: readonly Call[] = [];

export class SentBatches {
  /** No Map, for the reason that send-window.ts gives for Sets. */
  readonly #batches: SentBatch[] = [];
  /** Told of the calls that were answered, refused or not sent: all of them are settled. */
  readonly #released: (calls: readonly Call[]) => void;
  #aloneBatches = 0;

  constructor(released: (calls: readonly Call[]) => void) {
    this.#released = released;
  }

  get size(): number {
    return this.#batches.length;
  }

  /** Of these the ones with a call that goes alone, since it may wait for a lease. */
  get alone(): number {
    return this.#aloneBatches;
  }

  /**
   * Sends calls as one batch, at `sentAtMs` by the lease clock. When it cannot be sent, each goes by itself, so that only the calls that are the reason
   * fail.
   */
  send(calls: readonly Call[], sentAtMs: number, epoch: bigint, sendFrame: SendFrame): void {
    for (const call of calls) call.sending(sentAtMs, epoch);
    const failed = this.#sendOrFail(calls, sendFrame);
    if (failed.length > 0) this.#released(failed);
  }

  /**
   * Settles the calls that these results answer. `more`: the rest of the answer follows. What settling one throws is
   * thrown once all are settled and released.
   */
  answer(id: bigint, results: readonly OperationResult[], more: boolean): void {
    const at = this.#indexOf(id);
    const batch = this.#batches[at];
    if (batch === undefined) return;
    const first = batch.answered;
    // Without `more` this answers all the rest; a result that is missing breaks the contract and fails its call.
    batch.answered = more ? first + results.length : batch.calls.length;
    if (!more) this.#remove(at);
    const calls = first === 0 && !more ? batch.calls : batch.calls.slice(first, batch.answered);
    let errors: CallbackErrors = NO_ERRORS;
    calls.forEach((call, index) => {
      try {
        call.answer(results[index]?.result ?? { case: undefined });
      } catch (error) {
        errors = joinErrors(errors, [error]);
      }
    });
    if (calls.length > 0) this.#released(calls);
    throwErrors(errors);
  }

  /** The server refused a batch as a whole: fails its calls. False: no batch has this id. Throws as `answer` does. */
  refuse(id: bigint, refusal: CacheError): boolean {
    const at = this.#indexOf(id);
    const calls = this.#batches[at]?.calls;
    if (calls === undefined) return false;
    this.#remove(at);
    let errors: CallbackErrors = NO_ERRORS;
    for (const call of calls) {
      try {
        call.fail(refusal);
      } catch (error) {
        errors = joinErrors(errors, [error]);
      }
    }
    this.#released(calls);
    throwErrors(errors);
    return true;
  }

  /** Forgets all batches and returns their calls that have no result. */
  takeUnanswered(): Call[] {
    const unanswered = this.#batches.flatMap(({ calls, answered }) => calls.slice(answered));
    this.#batches.length = 0;
    return unanswered;
  }

  #sendOrFail(calls: readonly Call[], sendFrame: SendFrame): readonly Call[] {
    try {
      this.#send(calls, sendFrame);
      return NO_CALLS;
    } catch (cause) {
      if (calls.length > 1) return calls.flatMap((call) => this.#sendOrFail([call], sendFrame));
      for (const call of calls) call.fail(toCallError("the operation could not be encoded", cause));
      return calls;
    }
  }

  #send(calls: readonly Call[], sendFrame: SendFrame): void {
    const namespace = calls[0]?.plan.namespace ?? "";
    const operations = newArray<Operation>();
    for (const call of calls) operations.push(withNamespace(call, namespace));
    const id = sendFrame(batchFrame(namespace, operations));
    this.#batches.push(new SentBatch(id, calls));
    if (isAlone(calls)) this.#aloneBatches += 1;
  }

  #remove(at: number): void {
    for (const { calls } of this.#batches.splice(at, 1)) if (isAlone(calls)) this.#aloneBatches -= 1;
  }

  /** A binary search: mostly it is the first, but an answer that waited for a lease may be for any. -1: none. */
  #indexOf(id: bigint): number {
    let from = 0;
    let to = this.#batches.length;
    while (from < to) {
      const middle = (from + to) >>> 1;
      const batch = this.#batches[middle];
      if (batch === undefined || batch.id >= id) to = middle;
      else from = middle + 1;
    }
    return this.#batches[from]?.id === id ? from : -1;
  }
}

function isAlone(calls: readonly Call[]): boolean {
  return calls[0]?.plan.alone === true;
}

/** The operation as the batch carries it: without the namespace that the batch already names. */
function withNamespace(call: Call, batchNamespace: string): Operation {
  const { operation, namespace } = call.plan;
  const body = operation.operation;
  if (body.case !== undefined) body.value.namespace = namespace === batchNamespace ? "" : namespace;
  return operation;
}
