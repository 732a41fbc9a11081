/** Judges the tier: watches the calls of the library on all nodes, and puts the truths of its shards together for the other judges. */
import type { Stamp } from "../../../src/store/api/store.ts";
import { createKeyHash, shardOfHash } from "../../../src/store/hashing/shard-hash.ts";
import { readHead } from "../../../src/tier/library/head.ts";
import { shardKeys } from "../../../src/tier/library/keys.ts";
import { readCallHead } from "../../../src/tier/library/results.ts";
import { NAMESPACE_NAME } from "../client-node.ts";
import type { History, Moment } from "../history.ts";
import type { Tap } from "../tapped-store.ts";
import type { Invalidation, Truth } from "../truth.ts";
import type { Election } from "./engine-cluster.ts";
import type { EngineNode, NodeListener } from "./engine-node.ts";
import type { EngineReply } from "./keyspace.ts";
import { type Mutation, ShardJudge } from "./shard-judge.ts";

/** Of the three primaries. */
const MAJORITY = 2;

/** What a node has told of the owner of a shard. */
interface Named {
  readonly owner: string;
  /** Of the latest election whose outcome the node knew. */
  readonly epoch: number;
}

interface Vote {
  readonly atMs: number;
  readonly node: EngineNode;
  readonly server: string;
  readonly epoch: number;
  readonly named: ReadonlyMap<number, Named>;
}

export class TierJudge implements NodeListener {
  readonly shards: readonly ShardJudge[];
  readonly truth: Truth;
  readonly tap: Tap;
  /** Elections, the earliest first. */
  elections: readonly Election[] = [];
  /** A server was told of its epoch by a node, after what else the node has told it. */
  readonly votes: Vote[] = [];
  /** By server and node: the owners of shards that the node has told of since its last vote. */
  readonly #named = new Map<string, Map<number, Named>>();
  readonly #shardOfKey: ReadonlyMap<string, ShardJudge>;
  readonly #shardOfHead: ReadonlyMap<string, ShardJudge>;
  readonly #shardOfStream: ReadonlyMap<string, ShardJudge>;
  readonly #invalidations: Invalidation[] = [];
  readonly #history: History;
  readonly #nowMs: () => number;

  constructor(keys: readonly string[], shards: number, seed: bigint, history: History, nowMs: () => number) {
    this.#history = history;
    this.#nowMs = nowMs;
    const hashOf = createKeyHash(seed);
    const shardOf = (key: string): number => shardOfHash(hashOf(NAMESPACE_NAME, key), shards);
    this.shards = Array.from({ length: shards }, (_, shard) => {
      const own = keys.filter((key) => shardOf(key) === shard);
      return new ShardJudge(shard, own, history, nowMs, (invalidation) =>
        this.#invalidations.push(invalidation),
      );
    });
    this.#shardOfKey = new Map(keys.map((key) => [key, this.#shardAt(shardOf(key))]));
    this.#shardOfHead = new Map(this.shards.map((judge) => [shardKeys(judge.shard).head, judge]));
    this.#shardOfStream = new Map(this.shards.map((judge) => [shardKeys(judge.shard).stream, judge]));
    this.truth = this.#joinTruths(keys);
    this.tap = this.#joinTaps();
  }

  /** The latest life of any shard began. */
  get lastBegin(): Moment {
    const begins = this.shards.flatMap((judge) => judge.begins.slice(-1));
    return begins.reduce((one, other) => (one.order > other.order ? one : other), { order: -1, atMs: 0 });
  }

  get lives(): number {
    return this.shards.reduce((sum, { begins }) => sum + begins.length, 0);
  }

  judgeOf(key: string): ShardJudge {
    const judge = this.#shardOfKey.get(key);
    if (judge === undefined) throw new Error(`the simulation does not know the key ${key}`);
    return judge;
  }

  named(node: EngineNode, server: string, shard: number): void {
    const way = `${server} ${node.name}`;
    const named = this.#named.get(way) ?? new Map<number, Named>();
    this.#named.set(way, named.set(shard, { owner: node.view.ownerOf(shard).name, epoch: node.view.epoch }));
  }

  told(node: EngineNode, server: string): void {
    const way = `${server} ${node.name}`;
    const named = this.#named.get(way) ?? new Map();
    this.#named.delete(way);
    this.votes.push({ atMs: this.#nowMs(), node, server, epoch: node.epoch, named });
  }

  published(channel: string, payload: string): void {
    this.#shardOfStream.get(channel)?.published(bytesOf(payload));
  }

  called(
    node: EngineNode,
    name: string,
    [head = ""]: readonly string[],
    args: readonly string[],
    reply: EngineReply,
  ): void {
    const judge = this.#shardOfHead.get(head);
    if (judge === undefined || !Array.isArray(reply)) return;
    const [first, ...results] = reply as readonly EngineReply[];
    const top = bytesOf(first);
    if (name === "mc_claim") {
      if (results[0] !== 1) return;
      const claimed = readHead(top);
      const stream = node.data.run(["XRANGE", shardKeys(judge.shard).stream, "-", "+", "COUNT", "2"]);
      const records = Array.isArray(stream) ? stream.length : 0;
      if (claimed !== undefined) judge.claimed(node.name, claimed.epoch, claimed.revision, records);
    } else judge.ran(node.name, args.slice(1).map(bytesOf), results.map(bytesOf), readCallHead(top));
  }

  /** A server has answered a mutation: a majority must have named its node since, and have agreed about the epoch. */
  acknowledged(server: string, stamps: readonly Stamp[]): void {
    for (const { shard, revision } of stamps) {
      const mutation = this.#shardAt(shard).mutations.get(revision);
      if (mutation === undefined || this.#isAgreed(server, mutation)) continue;
      const what = `revision ${revision} of shard ${shard}, which ${mutation.node} ran at ${mutation.atMs} ms`;
      this.#history.violate("acknowledgement", `${server} has answered ${what}, and asked no majority since`);
    }
  }

  /**
   * A server is asked for an entry. Its answer is as of no revision from before: a deposed primary could give such an answer. A life
   * that has begun since may count from a lower one.
   */
  asked(server: string, key: string): (asOf: Stamp) => void {
    const { shard, revision, firstRevisions } = this.judgeOf(key);
    const lives = firstRevisions.length;
    return (asOf) => {
      const least = Math.min(revision, ...firstRevisions.slice(lives));
      if (asOf.revision >= least) return;
      const what = `as of revision ${asOf.revision}, though it was at ${revision} when it was asked`;
      this.#history.violate("answer-order", `${server} has answered a Get of shard ${shard} ${what}`);
    };
  }

  #isAgreed(server: string, { atMs, node }: Mutation): boolean {
    const began = this.elections.findLast((one) => one.elected === node && one.atMs <= atMs)?.epoch ?? 0;
    const isDeposed = (epoch: number) =>
      this.elections.some((one) => one.deposed === node && one.epoch > began && one.epoch <= epoch);
    const agreeing = new Map<number, Set<string>>();
    for (let index = this.votes.length - 1; index >= 0; index -= 1) {
      const vote = this.votes[index];
      if (vote === undefined || vote.atMs < atMs) break;
      if (vote.server !== server) continue;
      const named = [...vote.named.values()].find(({ owner }) => owner === node);
      if (named === undefined || isDeposed(named.epoch)) continue;
      const nodes = agreeing.get(vote.epoch) ?? new Set();
      agreeing.set(vote.epoch, nodes.add(vote.node.name));
    }
    return [...agreeing.values()].some((nodes) => nodes.size >= MAJORITY);
  }

  #shardAt(shard: number): ShardJudge {
    const judge = this.shards[shard];
    if (judge === undefined) throw new Error("there is no such shard");
    return judge;
  }

  #joinTruths(keys: readonly string[]): Truth {
    const never = (): never => {
      throw new Error("only the shards change the truth");
    };
    return {
      life: 0,
      lifeOf: () => 0,
      restarted: never,
      save: never,
      resumed: never,
      stored: never,
      incremented: never,
      touched: never,
      invalidated: never,
      spells: (key) => this.judgeOf(key).truth.spells(key),
      current: (key) => this.judgeOf(key).truth.current(key),
      // A revision that two epochs have used is of the earlier one: a floor must not be too high.
      changesAt: (life, shard, revision) =>
        uniqueKeys(this.#shardAt(shard).truth.changesAt(life, shard, revision)),
      invalidations: this.#invalidations,
      keys,
    };
  }

  #joinTaps(): Tap {
    const { shards } = this;
    const sets = {
      get: (value: string) => firstOf(shards.map(({ tap }) => tap.sets.get(value))),
    };
    const increments = {
      get: (initial: bigint) => firstOf(shards.map(({ tap }) => tap.increments.get(initial))),
    };
    return {
      sets: sets as unknown as Tap["sets"],
      absences: [],
      increments: increments as unknown as Tap["increments"],
      get touches() {
        return shards.flatMap(({ tap }) => tap.touches);
      },
      loadStarted: (value, moment) => {
        for (const { tap } of shards) tap.loadStarted(value, moment);
      },
      around() {
        throw new Error("the tier has no store to tap");
      },
    };
  }
}

function uniqueKeys<Change extends { readonly key: string }>(changes: readonly Change[]): Change[] {
  return changes.filter(({ key }, index) => changes.findIndex((one) => one.key === key) === index);
}

function firstOf<Item>(items: readonly (Item | undefined)[]): Item | undefined {
  return items.find((item) => item !== undefined);
}

function bytesOf(reply: EngineReply | undefined): Buffer {
  return Buffer.from(typeof reply === "string" ? reply : "", "latin1");
}
