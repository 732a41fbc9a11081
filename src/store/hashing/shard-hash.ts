/** A seeded 32-bit hash of namespace and key: it chooses the shard of a key and its place in the table. */
import { NameHash } from "./half-siphash.ts";

/** 32 bits, unsigned, uniform to anybody without the seed. */
export type KeyHash = (namespace: string, key: string) => number;

/** The shard of a hash, by its upper bits. */
export function shardOfHash(hash: number, shards: number): number {
  return Math.floor((hash * shards) / 0x1_0000_0000);
}

export function createKeyHash(seed: bigint): KeyHash {
  const k0 = Number(seed & 0xffff_ffffn) | 0;
  const k1 = Number(seed >> 32n) | 0;
  const nameHash = new NameHash();
  const out = new Uint32Array(1);
  return (namespace, key) => {
    nameHash.take(namespace, key);
    nameHash.hash(k0, k1, out, 0, 1);
    return out[0] ?? 0;
  };
}
