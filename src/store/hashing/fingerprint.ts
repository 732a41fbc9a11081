/** Fingerprints: 128 bits of a keyed hash, by which shared memory knows a name without its text. */
import { NameHash } from "./half-siphash.ts";

/** Four words. The array is reused by the function that returned it: valid until its next call. */
export type Fingerprint = Uint32Array;

/**
 * The fingerprint of a name in a namespace, with a nonce where several records have the same name. Within one map
 * either all have a nonce or none has: hashes with and without a nonce may collide. Equal fingerprints then mean the
 * same name: among 2^40 names any two collide with a probability of 2^-49, and nobody can do better without the seed.
 */
export type FingerprintOf = (namespace: string, name: string, nonce?: bigint) => Fingerprint;

/** HalfSipHash has 64 bits of output: each half of the fingerprint has a key of its own. */
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
