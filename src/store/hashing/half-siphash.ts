/**
 * HalfSipHash-1-3 over the UTF-8 bytes of an optional nonce of 64 bits, a namespace and a name, with 32 or 64 bits of
 * output.
 *
 * It is a keyed pseudo-random function. Faster mixers such as Murmur have collisions that hold for every seed (Aumasson
 * and Bernstein, "SipHash: a fast short-input PRF", 2012; HalfSipHash is the 32-bit variant in the same reference
 * code).
 */
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";

/** Between namespace and name. UTF-8 never contains this byte. */
const SEPARATOR_BYTE = 0xff;
/** Rounds without input before each word of output. */
const FINAL_ROUNDS = 3;
const NONCE_BYTES = 8;
/** The separator and the last word's padding. */
const TAIL_BYTES = 8;

/** Encodes one name at a time, and hashes it under one key or several. */
export class NameHash {
  readonly #encoder = new TextEncoder();
  #bytes = new Uint8Array(2048);
  #words = new Int32Array(this.#bytes.buffer);
  #nonce = new BigUint64Array(this.#bytes.buffer, 0, 1);
  /** The index of the last word: the remaining bytes, zeros, and the length in its last byte. */
  #lastWord = 0;

  /** Hashes with and without a nonce may collide. */
  take(namespace: string, name: string, nonce?: bigint): void {
    const mostBytes = NONCE_BYTES + (namespace.length + name.length) * UTF8_MAX_BYTES_PER_UNIT + TAIL_BYTES;
    if (mostBytes > this.#bytes.length) {
      this.#bytes = new Uint8Array(Math.ceil(mostBytes / 4) * 4);
      this.#words = new Int32Array(this.#bytes.buffer);
      this.#nonce = new BigUint64Array(this.#bytes.buffer, 0, 1);
    }
    const bytes = this.#bytes;
    if (nonce !== undefined) this.#nonce[0] = nonce;
    let length = this.#write(namespace, nonce === undefined ? 0 : NONCE_BYTES);
    bytes[length++] = SEPARATOR_BYTE;
    length = this.#write(name, length);
    const lastWord = length >>> 2;
    const lastByte = lastWord * 4 + 3;
    for (let at = length; at < lastByte; at++) bytes[at] = 0;
    bytes[lastByte] = length;
    this.#lastWord = lastWord;
  }

  /** Writes `outWords` words of output to `out`, from `at` on. */
  hash(k0: number, k1: number, out: Uint32Array, at: number, outWords: 1 | 2): void {
    const words = this.#words;
    const lastWord = this.#lastWord;
    const isWide = outWords === 2;
    let v0 = k0;
    let v1 = isWide ? k1 ^ 0xee : k1;
    let v2 = k0 ^ 0x6c796765;
    let v3 = k1 ^ 0x74656462;
    for (let index = 0; ; index++) {
      let word = 0;
      if (index <= lastWord) {
        word = words[index] ?? 0;
      } else if (index === lastWord + 1) {
        v2 ^= isWide ? 0xee : 0xff;
      } else if (index === lastWord + 1 + FINAL_ROUNDS) {
        out[at] = v1 ^ v3;
        if (!isWide) return;
        v1 ^= 0xdd;
      } else if (index === lastWord + 1 + 2 * FINAL_ROUNDS) {
        out[at + 1] = v1 ^ v3;
        return;
      }
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
  }

  /** Writes the bytes of a text and returns where they end. */
  #write(text: string, at: number): number {
    const bytes = this.#bytes;
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index);
      if (unit >= 0x80) return at + this.#encoder.encodeInto(text, bytes.subarray(at)).written;
      bytes[at + index] = unit;
    }
    return at + text.length;
  }
}
