/**
 * The table in which node:http2 keeps the streams of a session. A Map is rebuilt again and again as streams come and go, and each
 * former table keeps the streams that it had and refers to the next one: once one of them is old, all streams since live
 * until a full collection. That copied 1.4 to 1.9 MB in each young collection of a busy server, and made full ones of up to
 * 200 ms, which free the headers of all those streams. This file alone uses that private part of Node.
 */
import type { ServerHttp2Session } from "node:http2";
import { StreamTable } from "./stream-table.ts";

/** The part that node:http2 uses, the same in Node 20 to 26. Its own tables inherit from nothing. */
interface SessionState {
  streams: Pick<StreamTable<unknown>, "size" | "get" | "set" | "delete" | "forEach">;
  pendingStreams: Pick<PendingStreams<unknown>, "size" | "add" | "delete" | "forEach">;
}

/** False: this version of Node keeps its streams otherwise, or the session has some already. Then nothing is changed. */
export function replaceStreamTables(session: ServerHttp2Session): boolean {
  for (const symbol of Object.getOwnPropertySymbols(session)) {
    const state: unknown = Reflect.get(session, symbol);
    if (!isSessionState(state)) continue;
    if (state.streams.size > 0 || state.pendingStreams.size > 0) return false;
    state.streams = new StreamTable();
    state.pendingStreams = new PendingStreams();
    return true;
  }
  return false;
}

function isSessionState(value: unknown): value is SessionState {
  return (
    typeof value === "object" &&
    value !== null &&
    hasMethods(Reflect.get(value, "streams"), ["get", "set", "delete", "forEach"]) &&
    hasMethods(Reflect.get(value, "pendingStreams"), ["add", "delete", "forEach"])
  );
}

function hasMethods(value: unknown, names: readonly string[]): boolean {
  return (
    typeof value === "object" &&
    value !== null &&
    names.every((name) => typeof Reflect.get(value, name) === "function")
  );
}

/** The streams that have no id yet. On a server that pushes nothing there is at most one. */
export class PendingStreams<Stream> {
  readonly #streams: Stream[] = [];

  get size(): number {
    return this.#streams.length;
  }

  add(stream: Stream): this {
    if (!this.#streams.includes(stream)) this.#streams.push(stream);
    return this;
  }

  delete(stream: Stream): boolean {
    const at = this.#streams.indexOf(stream);
    if (at < 0) return false;
    this.#streams.splice(at, 1);
    return true;
  }

  /** Visits those that are there now: each may be deleted. */
  forEach(visit: (stream: Stream) => void): void {
    for (const stream of [...this.#streams]) visit(stream);
  }
}
