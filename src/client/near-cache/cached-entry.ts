/** One entry of a near cache: what the server answered for a key, and the value once it has been decoded. */
import { NO_BYTES } from "../../common/bytes.ts";
import {
  type Codec,
  decodeOwnValue,
  decodeValue,
  encodeValue,
  freezeDecoded,
  isFrozenValue,
} from "../api/codecs.ts";
import { freezeIfPlain } from "../api/deep-freeze.ts";
import { ABSENT, MISS, type Outcome } from "../api/results.ts";
import type { AsOf, Servable } from "../coherence/coherence.ts";
import type { ClockEntry, ClockOwner } from "./clock-cache.ts";

/** What a response said about a key. */
export interface Reading {
  readonly key: string;
  readonly kind: "hit" | "absent" | "miss";
  readonly asOf: AsOf;
  /** When the request was sent. The ages and the TTL count from here. */
  readonly readAtMs: number;
  /** How long ago the value had been set then. 0 for a miss. */
  readonly ageMs: number;
  /** The end of the TTL; Infinity when there is none. */
  readonly freshUntilMs: number;
  /** 0 for a miss. */
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly contentType: string;
  /** How `encoded` is compressed. "": it is not, which is so of all but an answer that was just received. */
  readonly contentEncoding: string;
  /** The bytes of the value, borrowed: they may be a view of a whole message. Only for a hit. */
  readonly encoded: Uint8Array | undefined;
}

/** What the server says of an entry that it confirms. */
export type Confirmation = Pick<Reading, "asOf" | "readAtMs" | "ageMs" | "freshUntilMs">;

/** Holds its value once: as bytes, or decoded and shared. Only near-cache.ts and this file change it. */
export interface CachedEntry<Value> extends Servable, ClockEntry<AnyCachedEntry> {
  readonly owner: CopyOwner;
  readonly kind: Reading["kind"];
  /** That of the store that goes on with it, after a clean restart. */
  epoch: bigint;
  readonly shard: number;
  revision: number;
  generation: number;
  readAtMs: number;
  ageMs: number;
  freshUntilMs: number;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly contentType: string;
  encoded: Uint8Array | undefined;
  /** The decoded and frozen value that all readers share. It replaces `encoded`. */
  shared: { readonly kind: "hit"; readonly value: Value } | undefined;
  /** What `get` returns, created once, so that a hit allocates nothing. */
  answer: Promise<Outcome<Value>> | undefined;
  /** What `getOrLoad` returns, created once. */
  loaded: Promise<Value | undefined> | undefined;
}

/** An entry of some near cache. */
export type AnyCachedEntry = CachedEntry<unknown>;

/** The near cache that an entry is in. */
export interface CopyOwner extends ClockOwner {
  /** Events may have been missed since the entry of this key was read. */
  isSuspect(key: string): boolean;
  /** The entry can be revalidated. */
  revalidatable(key: string): AnyCachedEntry | undefined;
  revalidate(key: string): Promise<unknown>;
}

export type SharedHit<Value> = NonNullable<CachedEntry<Value>["shared"]>;

/** A decoded value. A class and not an object literal: codec/fast/messages.ts says why. */
export class Decoded<Value> {
  readonly hit: SharedHit<Value>;
  /** The value is frozen. */
  readonly shareable: boolean;

  constructor(hit: SharedHit<Value>, shareable: boolean) {
    this.hit = hit;
    this.shareable = shareable;
  }
}

export function createCachedEntry<Value>(
  reading: Reading,
  sizeBytes: number,
  generation: number,
  shared: SharedHit<Value> | undefined,
  owner: CopyOwner,
): CachedEntry<Value> {
  // The fields that a hit reads come first, so that they are next to each other in memory.
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
    ageMs: reading.ageMs,
    version: reading.version,
    sourceVersion: reading.sourceVersion,
    tags: reading.tags,
    contentType: reading.contentType,
    // A copy: a view of a small value would keep a large message in memory.
    encoded: reading.encoded && shared === undefined ? new Uint8Array(reading.encoded) : undefined,
    shared,
    sizeBytes,
    owner,
    older: undefined,
    newer: undefined,
  };
}

/** What an entry costs in addition to its value: the object, its place in the map and in the indexes. Estimated. */
const ENTRY_OVERHEAD_BYTES = 256;

/** How much an entry counts toward `maxBytes`. */
export function sizeOf(reading: Reading): number {
  let tagBytes = 0;
  for (const tag of reading.tags) tagBytes += tag.length;
  return ENTRY_OVERHEAD_BYTES + reading.key.length + tagBytes + (reading.encoded?.length ?? 0);
}

const MISS_ANSWER: Promise<Outcome<never>> = Promise.resolve(MISS);
const ABSENT_ANSWER: Promise<Outcome<never>> = Promise.resolve(ABSENT);
const NOTHING: Promise<undefined> = Promise.resolve(undefined);

/**
 * Reads the values of entries with a codec. A value that can be frozen is decoded once and shared by all readers. When
 * `frozen` is false, or a value cannot be frozen (bytes, for example), each reader gets a value of its own.
 */
export class ValueReader<Value> {
  readonly #codec: Codec<Value>;
  readonly #namespace: string;
  readonly #frozen: boolean;

  constructor(codec: Codec<Value>, namespace: string, frozen: boolean) {
    this.#codec = codec;
    this.#namespace = namespace;
    this.#frozen = frozen;
  }

  /** The value of a hit. Throws CODEC. */
  value(entry: CachedEntry<Value>): Value {
    if (entry.shared !== undefined) return entry.shared.value;
    const value = decodeValue(this.#codec, this.#namespace, entry.encoded ?? NO_BYTES);
    if (this.#frozen && freezeDecoded(this.#codec, this.#namespace, value)) {
      entry.shared = { kind: "hit", value };
      entry.encoded = undefined;
    }
    return value;
  }

  /** Throws CODEC. */
  answer(entry: CachedEntry<Value>): Promise<Outcome<Value>> {
    if (entry.kind !== "hit") return entry.kind === "miss" ? MISS_ANSWER : ABSENT_ANSWER;
    const value = this.value(entry);
    if (entry.shared === undefined) return Promise.resolve({ kind: "hit", value });
    entry.answer = Promise.resolve(entry.shared);
    return entry.answer;
  }

  /** Undefined for an entry that is absent at the source. Throws CODEC. */
  loaded(entry: CachedEntry<Value>): Promise<Value | undefined> {
    if (entry.kind !== "hit") return NOTHING;
    const loaded = Promise.resolve<Value | undefined>(this.value(entry));
    if (entry.shared !== undefined) entry.loaded = loaded;
    return loaded;
  }

  /** All readers may share the value: it is frozen, and so is all that it holds. */
  isShareable(value: Value): boolean {
    return isFrozenValue(this.#codec, this.#namespace, value);
  }

  /** Throws CODEC. */
  encode(value: Value): Uint8Array {
    return encodeValue(this.#codec, this.#namespace, value);
  }

  /** Decodes a value that keeps nothing of the bytes. Throws CODEC. */
  decodeBorrowed(encoded: Uint8Array): Decoded<Value> {
    const value = decodeValue(this.#codec, this.#namespace, encoded);
    return new Decoded(
      { kind: "hit", value },
      this.#frozen && freezeDecoded(this.#codec, this.#namespace, value),
    );
  }

  /** For a value that no codec has made, and that several readers share: freezes it where values are frozen. */
  freezeOriginal(value: Value): void {
    if (this.#frozen) freezeIfPlain(value);
  }

  /** Decodes a value from a response. The value may keep the bytes, so they are decoded only once. Throws CODEC. */
  decode(encoded: Uint8Array): Decoded<Value> {
    const value = decodeOwnValue(this.#codec, this.#namespace, encoded);
    return new Decoded(
      { kind: "hit", value },
      this.#frozen && freezeDecoded(this.#codec, this.#namespace, value),
    );
  }
}
