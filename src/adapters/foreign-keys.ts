/**
 * Keys of another interface as keys of this cache. What the other interface calls a namespace is a prefix here, so that to clear it
 * is one invalidation. No two foreign keys have one key here.
 */
import { createHash } from "node:crypto";
import { LIMIT_BOUNDS } from "../rpc/limits.ts";

/** The default of servers, and not what the connected one allows: all processes must agree on the form of a key. */
const KEY_MAX_BYTES = LIMIT_BOUNDS.keyMaxBytes.fallback;
const NAMESPACE_MAX_BYTES = 256;
/** Stands, with the hash of all of it, for the rest of a text that is too long or that UTF-8 has no form for. */
const HASHED = "#sha256:";
const HASHED_BYTES = HASHED.length + 64;
const LOOKS_HASHED = /#sha256:[0-9a-f]{64}$/;

export class ForeignKeys {
  /** What the keys of this foreign namespace begin with, and no others. */
  readonly prefix: string;
  readonly #maxBytes: number;

  /** Empty: keys without a namespace, which have a prefix of their own. */
  constructor(foreignNamespace = "") {
    const escaped = foreignNamespace.replace(/[%:#]/g, encodeURIComponent);
    this.prefix = `${shortened(escaped, NAMESPACE_MAX_BYTES)}:`;
    this.#maxBytes = KEY_MAX_BYTES - Buffer.byteLength(this.prefix, "utf8");
  }

  toKey(foreign: string): string {
    return this.prefix + shortened(foreign, this.#maxBytes);
  }

  /**
   * What the keys begin with of all foreign keys that begin with `base`. Those of others may, too, if `base` is so long that keys
   * with it are hashed.
   */
  toPrefix(base: string): string {
    return this.prefix + headOf(base, this.#maxBytes - HASHED_BYTES);
  }

  /** Of a key with the prefix. What was too long comes back as its beginning, `#sha256:` and its hash. */
  toForeign(key: string): string {
    return key.slice(this.prefix.length);
  }
}

/** The text, or what stands for it: its beginning, `#sha256:` and its hash. Different texts give different ones. */
export function shortened(text: string, maxBytes: number): string {
  // A UTF-16 unit is at most three bytes of UTF-8, so short text needs no counting.
  const isShort = text.length * 3 <= maxBytes || Buffer.byteLength(text, "utf8") <= maxBytes;
  if (isShort && text.isWellFormed() && !(text.length >= HASHED_BYTES && LOOKS_HASHED.test(text)))
    return text;
  // Of the UTF-16 units, since they tell all texts apart.
  const hash = createHash("sha256").update(text, "utf16le").digest("hex");
  return `${headOf(text, maxBytes - HASHED_BYTES)}${HASHED}${hash}`;
}

/** The longest beginning that UTF-8 has a form for, of at most so many bytes. */
function headOf(text: string, maxBytes: number): string {
  const { read } = new TextEncoder().encodeInto(text, new Uint8Array(maxBytes));
  const head = text.slice(0, read);
  return head.isWellFormed() ? head : head.slice(0, head.search(/\p{Surrogate}/u));
}
