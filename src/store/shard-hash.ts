/**
 * A seeded 32-bit hash of namespace and key: HalfSipHash-1-3 over their UTF-8 bytes.
 *
 * A keyed pseudo-random function and not a murmur-like mixer, because those have collisions that hold for
 * every seed (Aumasson and Bernstein, "SipHash: a fast short-input PRF", 2012; the reference code of
 * HalfSipHash is in the same repository). Over UTF-8, so that an engine that has the bytes of a key as they
 * came off the wire can compute the same hash without making a string.
 */
import type { Rng } from "../random.ts";

/** 32 bits, unsigned, uniform for whoever does not know the seed. */
export type KeyHash = (namespace: string, key: string) => number;

/** Stands between namespace and key: never a byte of UTF-8. */
const separatorByte = 0xff;
const replacementPoint = 0xfffd;

/** Which of `shards` a hash belongs to, by its upper bits. */
export function shardOfHash(hash: number, shards: number): number {
  return Math.floor((hash * shards) / 0x1_0000_0000);
}

export function createKeyHash(rng: Rng): KeyHash {
  const seed = rng.uint64();
  const k0 = Number(seed & 0xffff_ffffn) | 0;
  const k1 = Number(seed >> 32n) | 0;

  // The state of the hash under way. Shared by all calls, which never overlap; locals in one long function
  // would be faster by little and readable by nobody.
  let v0 = 0;
  let v1 = 0;
  let v2 = 0;
  let v3 = 0;
  let word = 0;
  let shift = 0;
  let length = 0;

  const round = (): void => {
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
  };

  const addByte = (byte: number): void => {
    word |= byte << shift;
    length++;
    shift += 8;
    if (shift < 32) return;
    v3 ^= word;
    round();
    v0 ^= word;
    word = 0;
    shift = 0;
  };

  const addPoint = (point: number): void => {
    if (point < 0x800) {
      addByte(0xc0 | (point >>> 6));
    } else {
      if (point < 0x1_0000) {
        addByte(0xe0 | (point >>> 12));
      } else {
        addByte(0xf0 | (point >>> 18));
        addByte(0x80 | ((point >>> 12) & 0x3f));
      }
      addByte(0x80 | ((point >>> 6) & 0x3f));
    }
    addByte(0x80 | (point & 0x3f));
  };

  const addText = (text: string): void => {
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit < 0x80) {
        addByte(unit);
        continue;
      }
      const point = text.codePointAt(index) ?? replacementPoint;
      if (point > 0xffff) index++;
      // A lone surrogate counts as what UTF-8 encoders make of it.
      addPoint(point >= 0xd800 && point < 0xe000 ? replacementPoint : point);
    }
  };

  return (namespace, key) => {
    v0 = k0;
    v1 = k1;
    v2 = k0 ^ 0x6c796765;
    v3 = k1 ^ 0x74656462;
    word = 0;
    shift = 0;
    length = 0;
    addText(namespace);
    addByte(separatorByte);
    addText(key);
    const last = word | ((length & 0xff) << 24);
    v3 ^= last;
    round();
    v0 ^= last;
    v2 ^= 0xff;
    round();
    round();
    round();
    return (v1 ^ v3) >>> 0;
  };
}
