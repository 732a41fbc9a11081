/** What a node knows of the cluster: which node has which shard, and by which election. It never changes; a newer one replaces it. */
import { shardKeys, slotOfShard } from "../../../src/tier/library/keys.ts";
import type { EngineNode } from "./engine-node.ts";
import type { EngineReply } from "./keyspace.ts";

/** A shard of the tier for each 256 slots. */
const SLOTS_OF_A_SHARD = 256;

export class ClusterView {
  readonly epoch: number;
  readonly #owners: readonly EngineNode[];
  readonly #replicas: readonly EngineNode[];
  readonly #shardOfTag: ReadonlyMap<string, number>;

  /** `owners`, `replicas`: of each shard. */
  constructor(epoch: number, owners: readonly EngineNode[], replicas: readonly EngineNode[]) {
    this.epoch = epoch;
    this.#owners = owners;
    this.#replicas = replicas;
    this.#shardOfTag = new Map(owners.map((_, shard) => [tagOf(shardKeys(shard).head), shard]));
  }

  get owners(): readonly EngineNode[] {
    return this.#owners;
  }

  get primaries(): readonly EngineNode[] {
    return [...new Set(this.#owners)];
  }

  isPrimary(node: EngineNode): boolean {
    return this.#owners.includes(node);
  }

  ownerOf(shard: number): EngineNode {
    const owner = this.#owners[shard];
    if (owner === undefined) throw new Error("there is no such shard");
    return owner;
  }

  slotOf(shard: number): number {
    return slotOfShard(shard);
  }

  shardOfKey(key: string): number {
    const shard = this.#shardOfTag.get(tagOf(key));
    if (shard === undefined) throw new Error(`no shard has the key ${key}`);
    return shard;
  }

  slots(): EngineReply {
    return this.#owners.map((owner, shard) => {
      const replica = this.#replicas[shard];
      return [
        shard * SLOTS_OF_A_SHARD,
        shard * SLOTS_OF_A_SHARD + SLOTS_OF_A_SHARD - 1,
        nodeOf(owner),
        ...(replica === undefined ? [] : [nodeOf(replica)]),
      ];
    });
  }
}

function nodeOf({ name, port, id }: EngineNode): EngineReply {
  return [name, port, id, []];
}

function tagOf(key: string): string {
  return key.slice(1, key.indexOf("}"));
}
