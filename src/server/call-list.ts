/**
 * The open calls, the oldest first, as a list through the calls themselves. A Set of what comes and goes is
 * rebuilt again and again, and each former table keeps its calls, with all that grpc-js and http2 hang on
 * them, until a full collection.
 */
import type { OpenCall } from "./open-call.ts";

export class CallList implements Iterable<OpenCall> {
  #oldest: OpenCall | undefined;
  #newest: OpenCall | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  add(call: OpenCall): void {
    call.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = call;
    else this.#newest.newer = call;
    this.#newest = call;
    this.#size += 1;
  }

  /** False when it was not in the list. */
  delete(call: OpenCall): boolean {
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
  *[Symbol.iterator](): Generator<OpenCall> {
    let next: OpenCall | undefined;
    for (let call = this.#oldest; call !== undefined; call = next) {
      next = call.newer;
      yield call;
    }
  }
}
