/**
 * Reads RESP3, the protocol of Valkey and Redis, as it arrives in chunks: replies and pushes in the order in which they were sent.
 * https://valkey.io/topics/protocol
 */

/** What the engine answered instead of a result. `code` is its first word, such as "MOVED". */
export class EngineError extends Error {
  override readonly name = "EngineError";
  readonly code: string;

  constructor(text: string) {
    super(text);
    const end = text.indexOf(" ");
    this.code = end < 0 ? text : text.slice(0, end);
  }
}

/** A map is the list of its keys and values. An error may be inside a list. */
export type Reply = Buffer | string | number | bigint | boolean | null | EngineError | readonly Reply[];

export interface ReplyListener {
  reply(reply: Reply): void;
  push(push: readonly Reply[]): void;
}

/** Of one bulk string: 512 MiB is the engine's own bound of a value. */
const BULK_MAX_BYTES = 512 * 1024 * 1024;
const ITEMS_MAX = 1_048_576;
const DEPTH_MAX = 8;
const CR = 0x0d;
const LF = 0x0a;

/** The bytes are not RESP3, or beyond a bound: nothing after them can be understood. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

/** More bytes are needed; `total` of them, as far as is known. */
class Incomplete {
  total = 0;
}

const INCOMPLETE = new Incomplete();

export class ReplyReader {
  readonly #listener: ReplyListener;
  #chunks: Buffer[] = [];
  #chunkBytes = 0;
  /** Nothing can be read with fewer bytes. */
  #neededBytes = 1;
  #bytes: Buffer = Buffer.alloc(0);
  #at = 0;

  constructor(listener: ReplyListener) {
    this.#listener = listener;
  }

  /** Calls the listener for each complete reply and push. Throws ProtocolError. Bulk strings may be parts of `chunk`. */
  take(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#chunkBytes += chunk.length;
    if (this.#chunkBytes < this.#neededBytes) return;
    this.#bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#chunkBytes);
    this.#at = 0;
    let begin = 0;
    this.#neededBytes = 1;
    while (begin < this.#bytes.length) {
      const isPush = this.#bytes[begin] === 0x3e;
      const reply = this.#read(0);
      if (reply === INCOMPLETE) {
        this.#neededBytes = Math.max(INCOMPLETE.total - begin, this.#bytes.length - begin + 1);
        break;
      }
      begin = this.#at;
      if (isPush) this.#listener.push(reply as readonly Reply[]);
      else this.#listener.reply(reply as Reply);
    }
    const rest = this.#bytes.subarray(begin);
    this.#chunks = rest.length === 0 ? [] : [rest];
    this.#chunkBytes = rest.length;
    this.#bytes = rest;
  }

  #read(depth: number): Reply | Incomplete {
    if (depth > DEPTH_MAX) throw new ProtocolError("a reply is nested too deeply");
    const line = this.#line();
    if (line === undefined) return INCOMPLETE;
    const rest = line.slice(1);
    switch (line[0]) {
      case "$":
      case "=":
        return rest === "-1" ? null : this.#bulk(lengthOf(rest, BULK_MAX_BYTES), line[0] === "=");
      case "!": {
        const text = this.#bulk(lengthOf(rest, BULK_MAX_BYTES), false);
        return text instanceof Buffer ? new EngineError(text.toString()) : text;
      }
      case "*":
      case "~":
      case ">":
        return rest === "-1" ? null : this.#list(lengthOf(rest, ITEMS_MAX), depth);
      case "%":
        return this.#list(2 * lengthOf(rest, ITEMS_MAX), depth);
      case "|": {
        const attributes = this.#list(2 * lengthOf(rest, ITEMS_MAX), depth);
        return attributes === INCOMPLETE ? INCOMPLETE : this.#read(depth);
      }
      case "+":
        return rest;
      case "-":
        return new EngineError(rest);
      case ":":
        return wholeOf(rest);
      case "_":
        return null;
      case "#":
        return rest === "t";
      case ",":
        return Number(rest);
      case "(":
        return BigInt(rest);
      default:
        throw new ProtocolError("a reply has an unknown type");
    }
  }

  #list(count: number, depth: number): readonly Reply[] | Incomplete {
    const items: Reply[] = [];
    for (let index = 0; index < count; index++) {
      const item = this.#read(depth + 1);
      if (item === INCOMPLETE) return INCOMPLETE;
      items.push(item as Reply);
    }
    return items;
  }

  #bulk(bytes: number, isVerbatim: boolean): Buffer | Incomplete {
    const end = this.#at + bytes;
    if (end + 2 > this.#bytes.length) {
      INCOMPLETE.total = end + 2;
      return INCOMPLETE;
    }
    // A verbatim string begins with its format, such as "txt:".
    const bulk = this.#bytes.subarray(isVerbatim ? this.#at + 4 : this.#at, end);
    this.#at = end + 2;
    return bulk;
  }

  /** Undefined: its end has not arrived. */
  #line(): string | undefined {
    const end = this.#bytes.indexOf(CR, this.#at);
    if (end < 0 || end + 1 >= this.#bytes.length) {
      INCOMPLETE.total = this.#bytes.length + 1;
      return undefined;
    }
    if (this.#bytes[end + 1] !== LF) throw new ProtocolError("a line of a reply does not end");
    const line = this.#bytes.toString("latin1", this.#at, end);
    this.#at = end + 2;
    return line;
  }
}

function lengthOf(text: string, max: number): number {
  const length = Number(text);
  if (!Number.isInteger(length) || length < 0 || length > max) {
    throw new ProtocolError("a reply has a length out of its range");
  }
  return length;
}

function wholeOf(text: string): number | bigint {
  const whole = Number(text);
  return Number.isSafeInteger(whole) ? whole : BigInt(text);
}

export type Argument = string | Uint8Array;

/** Bytes of small arguments are copied into one piece, larger ones are pieces of their own. */
const COPIED_MAX_BYTES = 4_096;

/** A command in pieces to write one after the other, and its size. */
export interface EncodedCommand {
  readonly pieces: readonly Uint8Array[];
  readonly bytes: number;
}

export function encodeCommand(args: readonly Argument[]): EncodedCommand {
  const pieces: Uint8Array[] = [];
  let small: Uint8Array[] = [Buffer.from(`*${args.length}\r\n`, "latin1")];
  let bytes = 0;
  for (const arg of args) {
    const body = typeof arg === "string" ? Buffer.from(arg) : arg;
    small.push(Buffer.from(`$${body.length}\r\n`, "latin1"));
    if (body.length <= COPIED_MAX_BYTES) small.push(body);
    else {
      pieces.push(Buffer.concat(small), body);
      small = [];
    }
    small.push(END_OF_LINE);
  }
  pieces.push(Buffer.concat(small));
  for (const piece of pieces) bytes += piece.length;
  return { pieces, bytes };
}

const END_OF_LINE = Buffer.from("\r\n", "latin1");
