/**
 * The table in which node:http2 keeps the streams of a session. A Map is rebuilt again and again as streams come and go, and each
 * former table keeps the streams that it had and refers to the next one: once one of them is old, all streams since live
 * until a full collection. That copied 1.4 to 1.9 MB in each young collection of a busy server, and made full ones of up to
 * 200 ms, which free the headers of all those streams. This file alone uses that private part of Node.
 */
import type { ServerHttp2Session } from "node:http2";
import { StreamTable } from "./stream-table.ts";

/** The part that node:http2 uses. Its own tables inherit from nothing. */
interface SessionState {
  streams: Pick<Map<number, unknown>, "size" | "get" | "set" | "delete" | "forEach">;
  pendingStreams: Pick<Set<unknown>, "size" | "add" | "delete" | "forEach">;
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

/** A Set of the streams that have no id yet. On a server that pushes nothing it has at most one. */
export class PendingStreams<Stream> extends Set<Stream> {
  readonly #streams: Stream[] = [];

  override get size(): number {
    return this.#streams.length;
  }

  override has(stream: Stream): boolean {
    return this.#streams.includes(stream);
  }

  override add(stream: Stream): this {
    if (!this.has(stream)) this.#streams.push(stream);
    return this;
  }

  override delete(stream: Stream): boolean {
    const at = this.#streams.indexOf(stream);
    if (at < 0) return false;
    this.#streams.splice(at, 1);
    return true;
  }

  override clear(): void {
    this.#streams.length = 0;
  }

  override forEach(visit: (stream: Stream, same: Stream, set: Set<Stream>) => void): void {
    for (const stream of this) visit(stream, stream, this);
  }

  override *values(): SetIterator<Stream> {
    yield* [...this.#streams];
  }

  override keys(): SetIterator<Stream> {
    return this.values();
  }

  override *entries(): SetIterator<[Stream, Stream]> {
    for (const stream of this) yield [stream, stream];
  }

  override [Symbol.iterator](): SetIterator<Stream> {
    return this.values();
  }
}
