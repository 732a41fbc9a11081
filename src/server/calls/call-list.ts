/**
 * The open calls, the oldest first, as a list through the calls themselves. A Set of what comes and goes is
 * rebuilt again and again, and each former table keeps its calls, with all that grpc-js and http2 hang on
 * them, until a full collection.
 */
import type { CacheError } from "../../common/errors.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { CallSession, ListedStream } from "./http2-stream.ts";

/** An open call, whoever speaks its protocol. */
export interface ListedCall {
  readonly method: { readonly path: string; readonly requestStream: boolean };
  readonly streaming: boolean;
  readonly stream: ListedStream;
  /** When the caller wants no answer any more, where nobody else sees to that. */
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs: number;
  halfClosed: boolean;
  /** It has its status, which may still wait behind a message. */
  answered: boolean;
  /** Since when a message waits for the peer to take it. */
  sendingSinceMs: number | undefined;
  /** Its neighbours among the open calls. */
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** Gives it a status from outside its handler, which learns of it as of a cancelled call. */
  refuse(error: CacheError): void;
}

export class CallList implements Iterable<ListedCall> {
  #oldest: ListedCall | undefined;
  #newest: ListedCall | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(call: ListedCall): void {
    call.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = call;
    else this.#newest.newer = call;
    this.#newest = call;
    this.#size += 1;
  }

  /** False when it was not in the list. */
  delete(call: ListedCall): boolean {
    const { older, newer } = call;
    if (older === undefined && this.#oldest !== call) return false;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // A call that still led to others would keep them from the collector.
    call.older = undefined;
    call.newer = undefined;
    this.#size -= 1;
    return true;
  }

  /** A call may be deleted while it is visited, and no other. */
  *[Symbol.iterator](): Generator<ListedCall> {
    let next: ListedCall | undefined;
    for (let call = this.#oldest; call !== undefined; call = next) {
      next = call.newer;
      yield call;
    }
  }
}
