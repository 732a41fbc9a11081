/**
 * The open calls, the oldest first, as an intrusive list. A Set whose members come and go is rehashed again and again, and
 * each old table keeps its calls, with all that grpc-js and http2 attach to them, until a full garbage collection.
 */
import type { CacheError } from "../../common/errors.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import type { ConnectionMemory } from "../limits/memory-account.ts";
import type { CallSession, ListedStream } from "./http2-stream.ts";

/** An open call, whether grpc-js or the accelerator serves it. */
export interface ListedCall {
  readonly method: { readonly path: string; readonly requestStream: boolean };
  readonly streaming: boolean;
  readonly stream: ListedStream;
  /** When the call has to end with DEADLINE. Infinity: it has no deadline, or grpc-js watches it. */
  readonly deadlineMs: number;
  span: CallSpan | undefined;
  session: CallSession | undefined;
  startedMs: number;
  halfClosed: boolean;
  /** It has its status, which may still wait to be sent behind a message. */
  answered: boolean;
  /** Since when a message of the request has been arriving. Undefined: none is, or the call takes one request only. */
  readonly arrivingSinceMs: number | undefined;
  /** Of its connection, from its beginning on. */
  memory: ConnectionMemory | undefined;
  /** What it holds of that memory. */
  readonly heldBytes: number;
  /** Since when a message waits for the peer to take it. Undefined: none waits. */
  sendingSinceMs: number | undefined;
  /** Counts anew what its request holds: bytes that come for a paused reader cause no event. */
  recount(): void;
  /** Its neighbours in the list. */
  older: ListedCall | undefined;
  newer: ListedCall | undefined;
  /** Ends it with this error. Its handler sees a cancelled call. */
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

  /** False: it was not in the list. */
  delete(call: ListedCall): boolean {
    const { older, newer } = call;
    if (older === undefined && this.#oldest !== call) return false;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // A deleted call must not keep its neighbours from being collected.
    call.older = undefined;
    call.newer = undefined;
    this.#size -= 1;
    return true;
  }

  /** While a call is visited it may be deleted, but no other. */
  *[Symbol.iterator](): Generator<ListedCall> {
    let next: ListedCall | undefined;
    for (let call = this.#oldest; call !== undefined; call = next) {
      next = call.newer;
      yield call;
    }
  }
}
