/** The data of one node of the engine, and the commands that the library and the servers use on it. */

/** A command or a string with a character for each byte. */
export type Command = readonly string[];

export class Status {
  readonly text: string;

  constructor(text: string) {
    this.text = text;
  }
}

export type EngineReply = string | number | null | Status | readonly EngineReply[];

interface StreamRecord {
  readonly id: string;
  readonly payload: string;
}

type Content = string | Map<string, string> | StreamRecord[];

interface Value {
  content: Content;
  endsAtMs: number;
}

const WRITES: ReadonlySet<string> = new Set("SET SETRANGE PEXPIREAT UNLINK HSET HDEL RENAME XADD".split(" "));

const OK = new Status("OK");

export class Keyspace {
  readonly #values = new Map<string, Value>();
  readonly #nowMs: () => number;
  readonly #fraction: () => number;
  #isReplicating = false;

  constructor(nowMs: () => number, fraction: () => number) {
    this.#nowMs = nowMs;
    this.#fraction = fraction;
  }

  static isWrite(command: Command): boolean {
    return WRITES.has(command[0] ?? "");
  }

  get keys(): readonly string[] {
    return [...this.#values.keys()].filter((key) => this.#live(key) !== undefined);
  }

  clear(): void {
    this.#values.clear();
  }

  copyTo(other: Keyspace): void {
    other.clear();
    for (const [key, { content, endsAtMs }] of this.#values) {
      other.#values.set(key, { content: copyOf(content), endsAtMs });
    }
  }

  /** A command that the primary has run. A replica lets no key expire by its own clock: the primary says when one goes. */
  runReplicated(command: Command): void {
    this.#isReplicating = true;
    try {
      this.run(command);
    } finally {
      this.#isReplicating = false;
    }
  }

  run([name = "", key = "", ...rest]: Command): EngineReply {
    const [first = "", second = ""] = rest;
    switch (name) {
      case "GET":
        return this.#text(key) ?? null;
      case "MGET":
        return [key, ...rest].map((one) => this.#text(one) ?? null);
      case "SET":
        return this.#set(key, first, rest.slice(1));
      case "GETRANGE":
        return (this.#text(key) ?? "").slice(Number(first), Number(second) + 1);
      case "SETRANGE": {
        const text = this.#text(key) ?? "";
        const at = Number(first);
        this.#put(key, text.slice(0, at) + second + text.slice(at + second.length));
        return text.length;
      }
      case "STRLEN":
        return (this.#text(key) ?? "").length;
      case "PEXPIREAT": {
        const value = this.#live(key);
        if (value !== undefined) value.endsAtMs = Number(first);
        return value === undefined ? 0 : 1;
      }
      case "UNLINK":
        return [key, ...rest].filter((one) => this.#values.delete(one)).length;
      case "EXISTS":
        return this.#live(key) === undefined ? 0 : 1;
      case "RENAME": {
        const value = this.#live(key);
        if (value === undefined) throw new Error("no such key");
        this.#values.delete(key);
        this.#values.set(first, value);
        return OK;
      }
      case "XADD":
        return this.#add(key, rest);
      case "XRANGE":
        return this.#range(key, rest);
      default:
        return this.#hash(name, key, rest);
    }
  }

  #hash(name: string, key: string, rest: readonly string[]): EngineReply {
    const hash = this.#fields(key);
    switch (name) {
      case "HGET":
        return hash.get(rest[0] ?? "") ?? null;
      case "HMGET":
        return rest.map((field) => hash.get(field) ?? null);
      case "HLEN":
        return hash.size;
      case "HDEL": {
        const removed = rest.filter((field) => hash.delete(field)).length;
        if (hash.size === 0) this.#values.delete(key);
        return removed;
      }
      case "HSET":
        for (let at = 0; at < rest.length; at += 2) hash.set(rest[at] ?? "", rest[at + 1] ?? "");
        this.#put(key, hash);
        return 0;
      case "HRANDFIELD": {
        const fields = [...hash];
        const from = Math.floor(this.#fraction() * fields.length);
        return fields.slice(from, from + Number(rest[0])).flat();
      }
      default:
        throw new Error(`the model has no command ${name}`);
    }
  }

  #set(key: string, text: string, options: readonly string[]): EngineReply {
    if (options.includes("NX") && this.#live(key) !== undefined) return null;
    const endsAt = options[options.indexOf("PXAT") + 1];
    this.#values.set(key, {
      content: text,
      endsAtMs: options.includes("PXAT") ? Number(endsAt) : Number.POSITIVE_INFINITY,
    });
    return OK;
  }

  /** `[MAXLEN ~ N] ID e PAYLOAD`. The engine may keep more than N. */
  #add(key: string, rest: readonly string[]): EngineReply {
    const stream = this.#records(key);
    const [id = "", , payload = ""] = rest.slice(-3);
    stream.push({ id, payload });
    const max = rest[0] === "MAXLEN" ? Number(rest[2]) : Number.POSITIVE_INFINITY;
    if (stream.length > max + 3) stream.splice(0, stream.length - max);
    this.#put(key, stream);
    return id;
  }

  /** `- + COUNT N` or `(ID + COUNT N`. */
  #range(key: string, [from = "", , , count]: readonly string[]): EngineReply {
    const after = from === "-" ? -1 : Number.parseInt(from.slice(1), 10);
    return this.#records(key)
      .filter(({ id }) => Number.parseInt(id, 10) > after)
      .slice(0, Number(count))
      .map(({ id, payload }) => [id, ["e", payload]]);
  }

  #live(key: string): Value | undefined {
    const value = this.#values.get(key);
    if (value === undefined || this.#isReplicating || value.endsAtMs > this.#nowMs()) return value;
    this.#values.delete(key);
    return undefined;
  }

  #text(key: string): string | undefined {
    const content = this.#live(key)?.content;
    if (content !== undefined && typeof content !== "string") throw new Error("WRONGTYPE");
    return content;
  }

  #fields(key: string): Map<string, string> {
    const content = this.#live(key)?.content ?? new Map<string, string>();
    if (!(content instanceof Map)) throw new Error("WRONGTYPE");
    return content;
  }

  #records(key: string): StreamRecord[] {
    const content = this.#live(key)?.content ?? [];
    if (!Array.isArray(content)) throw new Error("WRONGTYPE");
    return content;
  }

  /** Keeps the end of what is there. */
  #put(key: string, content: Content): void {
    const value = this.#live(key);
    if (value === undefined) this.#values.set(key, { content, endsAtMs: Number.POSITIVE_INFINITY });
    else value.content = content;
  }
}

function copyOf(content: Content): Content {
  if (typeof content === "string") return content;
  return content instanceof Map ? new Map(content) : [...content];
}
