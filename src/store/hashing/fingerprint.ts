/** Names as 128 bits of a keyed hash: what memory that threads share knows them by, without their text. */
import { NameHash } from "./half-siphash.ts";

/** Four words. The maker's own: good until its next call. */
export type Fingerprint = Uint32Array;

/**
 * Of a name in a namespace, and of a nonce where it is one of several things of that name. In a map all have a nonce
 * or none has; there equal fingerprints are the same name: that any two of 2^40 names share one has a chance of 2^-49,
 * and who does not know the seed cannot do better than chance.
 */
export type FingerprintOf = (namespace: string, name: string, nonce?: bigint) => Fingerprint;

/** Half of the output under each key, since HalfSipHash has no more than 64 bits to give. */
export function createFingerprint(seed: readonly [bigint, bigint]): FingerprintOf {
  const [a0, a1] = toKeyWords(seed[0]);
  const [b0, b1] = toKeyWords(seed[1]);
  const nameHash = new NameHash();
  const fingerprint = new Uint32Array(4);
  return (namespace, name, nonce) => {
    nameHash.take(namespace, name, nonce);
    nameHash.hash(a0, a1, fingerprint, 0, 2);
    nameHash.hash(b0, b1, fingerprint, 2, 2);
    return fingerprint;
  };
}

function toKeyWords(key: bigint): [number, number] {
  return [Number(key & 0xffff_ffffn) | 0, Number(key >> 32n) | 0];
}
