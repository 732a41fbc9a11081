/** A local copy of what the server answered for a key, and its value once somebody has read it. */
import { NO_BYTES } from "../../common/bytes.ts";
import { type Codec, decodeOwnValue, decodeValue, encodeValue } from "../api/codecs.ts";
import { deepFreeze, isDeepFrozen } from "../api/deep-freeze.ts";
import { ABSENT, MISS, type Outcome } from "../api/results.ts";
import type { AsOf, Trusted } from "../coherence/coherence.ts";
import type { Tabled } from "./clock-cache.ts";

/** What a response said about a key. */
export interface Reading {
  readonly key: string;
  readonly kind: "hit" | "absent" | "miss";
  readonly asOf: AsOf;
  /** When the request was sent: what the age and the TTL count from. */
  readonly readAtMs: number;
  /** The end of the TTL; Infinity when there is none. */
  readonly freshUntilMs: number;
  /** 0: a miss has none. */
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly contentType: string;
  /** The value's bytes, borrowed: perhaps a view of a whole message. Undefined but for a hit. */
  readonly encoded: Uint8Array | undefined;
}

/** Holds a value once: as bytes, or decoded and shared. Changed in place by near-cache.ts and here alone. */
export interface Copy<Value> extends Trusted, Tabled<Copy<Value>> {
  readonly kind: Reading["kind"];
  readonly epoch: bigint;
  readonly shard: number;
  revision: number;
  generation: number;
  readAtMs: number;
  freshUntilMs: number;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly contentType: string;
  encoded: Uint8Array | undefined;
  /** What all readers get, once the value is decoded and frozen; then `encoded` is let go. */
  shared: { readonly kind: "hit"; readonly value: Value } | undefined;
  /** What `get` returns for it, made once: a hit allocates nothing. */
  answer: Promise<Outcome<Value>> | undefined;
  /** What `getOrLoad` returns for it. */
  loaded: Promise<Value | undefined> | undefined;
}

export type SharedHit<Value> = NonNullable<Copy<Value>["shared"]>;

/** A class for what wire/hot/messages.ts says of literals. */
export class Decoded<Value> {
  readonly hit: SharedHit<Value>;
  readonly shareable: boolean;

  constructor(hit: SharedHit<Value>, shareable: boolean) {
    this.hit = hit;
    this.shareable = shareable;
  }
}

export function createCopy<Value>(
  reading: Reading,
  sizeBytes: number,
  generation: number,
  shared: SharedHit<Value> | undefined,
): Copy<Value> {
  // What a hit looks at comes first, so that it lies together in memory.
  return {
    used: false,
    generation,
    freshUntilMs: reading.freshUntilMs,
    answer: undefined,
    loaded: undefined,
    key: reading.key,
    kind: reading.kind,
    epoch: reading.asOf.epoch,
    shard: reading.asOf.shard,
    revision: reading.asOf.revision,
    readAtMs: reading.readAtMs,
    version: reading.version,
    sourceVersion: reading.sourceVersion,
    tags: reading.tags,
    contentType: reading.contentType,
    // Copied: kept as a view, a small value would pin a large message.
    encoded: reading.encoded && shared === undefined ? new Uint8Array(reading.encoded) : undefined,
    shared,
    sizeBytes,
    older: undefined,
    newer: undefined,
  };
}

const MISS_ANSWER: Promise<Outcome<never>> = Promise.resolve(MISS);
const ABSENT_ANSWER: Promise<Outcome<never>> = Promise.resolve(ABSENT);
const NOTHING: Promise<undefined> = Promise.resolve(undefined);

/**
 * Reads copies with a codec. Frozen values are decoded once and shared by all readers; when `frozen` is false,
 * or a value cannot be frozen (bytes, say), it is decoded for each reader.
 */
export class CopyReader<Value> {
  readonly #codec: Codec<Value>;
  readonly #namespace: string;
  readonly #frozen: boolean;

  constructor(codec: Codec<Value>, namespace: string, frozen: boolean) {
    this.#codec = codec;
    this.#namespace = namespace;
    this.#frozen = frozen;
  }

  /** The value of a hit. Throws CODEC. */
  value(copy: Copy<Value>): Value {
    if (copy.shared !== undefined) return copy.shared.value;
    const value = decodeValue(this.#codec, this.#namespace, copy.encoded ?? NO_BYTES);
    if (this.#frozen && deepFreeze(value)) {
      copy.shared = { kind: "hit", value };
      copy.encoded = undefined;
    }
    return value;
  }

  /** Throws CODEC. */
  answer(copy: Copy<Value>): Promise<Outcome<Value>> {
    if (copy.kind !== "hit") return copy.kind === "miss" ? MISS_ANSWER : ABSENT_ANSWER;
    const value = this.value(copy);
    if (copy.shared === undefined) return Promise.resolve({ kind: "hit", value });
    copy.answer = Promise.resolve(copy.shared);
    return copy.answer;
  }

  /** Undefined for what is absent. Throws CODEC. */
  loaded(copy: Copy<Value>): Promise<Value | undefined> {
    if (copy.kind !== "hit") return NOTHING;
    const loaded = Promise.resolve<Value | undefined>(this.value(copy));
    if (copy.shared !== undefined) copy.loaded = loaded;
    return loaded;
  }

  /** For one more reader of a value: the same if nobody can write to it, else one of its own. Throws CODEC. */
  forAnother(value: Value): Value {
    if (isDeepFrozen(value)) return value;
    return this.decode(encodeValue(this.#codec, this.#namespace, value)).hit.value;
  }

  /**
   * A value straight from a response, and whether it was frozen and may be shared. It may hold on to the bytes, so
   * that they are to be decoded once. Throws CODEC.
   */
  decode(encoded: Uint8Array): Decoded<Value> {
    const value = decodeOwnValue(this.#codec, this.#namespace, encoded);
    return new Decoded({ kind: "hit", value }, this.#frozen && deepFreeze(value));
  }
}
