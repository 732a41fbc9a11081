/**
 * A seeded 32-bit hash of namespace and key: HalfSipHash-1-3 over their UTF-8 bytes.
 *
 * A keyed pseudo-random function and not a murmur-like mixer, because those have collisions that hold for
 * every seed (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; HalfSipHash is its 32-bit
 * sibling in the same reference code). Over UTF-8, so that an engine that has the bytes of a key as they came
 * off the wire can compute the same hash without making a string.
 */
import type { Rng } from "../random.ts";

/** 32 bits, unsigned, uniform for whoever does not know the seed. */
export type KeyHash = (namespace: string, key: string) => number;

/** Stands between namespace and key: never a byte of UTF-8. */
const separatorByte = 0xff;
const finalRounds = 3;
const utf8MaxBytesPerUnit = 3;
/** The separator and the last word's padding. */
const tailBytes = 8;

/** Which of `shards` a hash belongs to, by its upper bits. */
export function shardOfHash(hash: number, shards: number): number {
  return Math.floor((hash * shards) / 0x1_0000_0000);
}

export function createKeyHash(rng: Rng): KeyHash {
  const seed = rng.uint64();
  const k0 = Number(seed & 0xffff_ffffn) | 0;
  const k1 = Number(seed >> 32n) | 0;
  const encoder = new TextEncoder();
  let bytes = new Uint8Array(2048);
  let words = new Int32Array(bytes.buffer);

  /** Writes the bytes of a text and returns where they end. */
  const write = (text: string, at: number): number => {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return at + encoder.encodeInto(text, bytes.subarray(at)).written;
      bytes[at + index] = unit;
    }
    return at + text.length;
  };

  return (namespace, key) => {
    const mostBytes = (namespace.length + key.length) * utf8MaxBytesPerUnit + tailBytes;
    if (mostBytes > bytes.length) {
      bytes = new Uint8Array(Math.ceil(mostBytes / 4) * 4);
      words = new Int32Array(bytes.buffer);
    }
    let length = write(namespace, 0);
    bytes[length++] = separatorByte;
    length = write(key, length);

    // The last word holds the bytes left over, zeros, and the length in its last byte.
    const lastWord = length >>> 2;
    const lastByte = lastWord * 4 + 3;
    for (let at = length; at < lastByte; at++) bytes[at] = 0;
    bytes[lastByte] = length;

    let v0 = k0;
    let v1 = k1;
    let v2 = k0 ^ 0x6c796765;
    let v3 = k1 ^ 0x74656462;
    for (let index = 0; index <= lastWord + finalRounds; index++) {
      // The final rounds mix in zeros.
      const word = index <= lastWord ? (words[index] ?? 0) : 0;
      if (index === lastWord + 1) v2 ^= 0xff;
      v3 ^= word;
      v0 = (v0 + v1) | 0;
      v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
      v0 = (v0 << 16) | (v0 >>> 16);
      v2 = (v2 + v3) | 0;
      v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
      v0 = (v0 + v3) | 0;
      v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
      v2 = (v2 + v1) | 0;
      v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
      v2 = (v2 << 16) | (v2 >>> 16);
      v0 ^= word;
    }
    return (v1 ^ v3) >>> 0;
  };
}
