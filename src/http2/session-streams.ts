/**
 * The table in which node:http2 keeps the streams of a session. A Map is rebuilt again and again as streams come and go, and each
 * former table keeps the streams that it had and refers to the next one: once one of them is old, all streams since live
 * until a full collection. That copied 1.4 to 1.9 MB in each young collection of a busy server, and made full ones of up to
 * 200 ms, which free the headers of all those streams. This file alone uses that private part of Node.
 */
import type { ServerHttp2Session } from "node:http2";

const FIRST_SLOTS = 16;

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

/** A Map from the ids of streams, which are odd and grow, in an array that only grows: open addressing with linear probing. */
export class StreamTable<Stream> extends Map<number, Stream> {
  #ids: number[] = Array(FIRST_SLOTS).fill(0);
  #streams: (Stream | undefined)[] = Array(FIRST_SLOTS).fill(undefined);
  #size = 0;

  override get size(): number {
    return this.#size;
  }

  override has(id: number): boolean {
    return this.#ids[this.#slotOf(id)] === id;
  }

  override get(id: number): Stream | undefined {
    return this.#streams[this.#slotOf(id)];
  }

  override set(id: number, stream: Stream): this {
    if (2 * (this.#size + 1) > this.#ids.length) this.#grow();
    const slot = this.#slotOf(id);
    if (this.#ids[slot] !== id) this.#size += 1;
    this.#ids[slot] = id;
    this.#streams[slot] = stream;
    return this;
  }

  override delete(id: number): boolean {
    let free = this.#slotOf(id);
    if (this.#ids[free] !== id) return false;
    this.#size -= 1;
    const last = this.#ids.length - 1;
    // What comes behind is found only as long as no slot before it is free.
    for (let slot = (free + 1) & last; this.#ids[slot] !== 0; slot = (slot + 1) & last) {
      const distance = (slot - this.#firstSlotOf(this.#ids[slot] ?? 0)) & last;
      if (distance < ((slot - free) & last)) continue;
      this.#ids[free] = this.#ids[slot] ?? 0;
      this.#streams[free] = this.#streams[slot];
      free = slot;
    }
    this.#ids[free] = 0;
    this.#streams[free] = undefined;
    return true;
  }

  override clear(): void {
    this.#ids.fill(0);
    this.#streams.fill(undefined);
    this.#size = 0;
  }

  /** Visits those that are there now: a stream that is visited may be deleted, and others with it. */
  override forEach(visit: (stream: Stream, id: number, table: Map<number, Stream>) => void): void {
    for (const [id, stream] of this) visit(stream, id, this);
  }

  override *entries(): MapIterator<[number, Stream]> {
    const ids = [...this.#ids];
    const streams = [...this.#streams];
    for (let slot = 0; slot < ids.length; slot++) {
      const stream = streams[slot];
      if (stream !== undefined) yield [ids[slot] ?? 0, stream];
    }
  }

  override *keys(): MapIterator<number> {
    for (const [id] of this) yield id;
  }

  override *values(): MapIterator<Stream> {
    for (const [, stream] of this) yield stream;
  }

  override [Symbol.iterator](): MapIterator<[number, Stream]> {
    return this.entries();
  }

  #firstSlotOf(id: number): number {
    return (id >> 1) & (this.#ids.length - 1);
  }

  /** That of this id, or the free one where it would be. */
  #slotOf(id: number): number {
    const last = this.#ids.length - 1;
    let slot = this.#firstSlotOf(id);
    while (this.#ids[slot] !== id && this.#ids[slot] !== 0) slot = (slot + 1) & last;
    return slot;
  }

  #grow(): void {
    const ids = this.#ids;
    const streams = this.#streams;
    this.#ids = Array(2 * ids.length).fill(0);
    this.#streams = Array(2 * ids.length).fill(undefined);
    this.#size = 0;
    ids.forEach((id, slot) => {
      const stream = streams[slot];
      if (stream !== undefined) this.set(id, stream);
    });
    // Else it would keep the streams that it had, once it is old.
    streams.fill(undefined);
  }
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
