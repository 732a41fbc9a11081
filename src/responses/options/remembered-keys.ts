/**
 * The keys of the requests that came last, found by the bytes of a request: reading its fields again, and hashing a new text, costs more
 * than the lookup of the response that is near.
 */
import type { KeyedRequest } from "./read-rule.ts";

/** Of one method. With the last ones of the generation before it there are at most twice as many. */
const REQUESTS_MAX = 1_024;
/** Longer requests are read each time. */
const REQUEST_MAX_BYTES = 256;

export class RememberedKeys {
  readonly #keyOf: (request: Uint8Array) => KeyedRequest;
  readonly #max: number;
  #young = new Map<string, KeyedRequest>();
  #old: ReadonlyMap<string, KeyedRequest> = new Map();

  constructor(keyOf: (request: Uint8Array) => KeyedRequest, max: number = REQUESTS_MAX) {
    this.#keyOf = keyOf;
    this.#max = max;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** Throws what `keyOf` throws, which is not remembered. */
  keyOf(request: Uint8Array): KeyedRequest {
    if (request.length > REQUEST_MAX_BYTES) return this.#keyOf(request);
    const text = latin1(request);
    const known = this.#young.get(text);
    if (known !== undefined) return known;
    const keyed = this.#old.get(text) ?? this.#keyOf(request);
    if (this.#young.size >= this.#max) {
      this.#old = this.#young;
      this.#young = new Map();
    }
    this.#young.set(text, keyed);
    return keyed;
  }
}

/** Each byte as one character. */
function latin1(bytes: Uint8Array): string {
  const buffer = Buffer.isBuffer(bytes)
    ? bytes
    : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  return buffer.toString("latin1");
}
