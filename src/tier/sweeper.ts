/**
 * Frees what fences cover: scans every node of the engine for entries of shards that have fences, and has the library remove those that are
 * gone. After a whole scan no fence from before it needs to be looked at any more.
 */
import type { Boundary } from "../common/boundary.ts";
import type { Clock } from "../common/clock.ts";
import { ask } from "./engine/ask.ts";
import type { Reply } from "./engine/resp3.ts";
import type { ListedNode } from "./key-listing.ts";
import { readHead, type ShardHead } from "./library/head.ts";
import { entryName, shardKeys } from "./library/keys.ts";
import { sweepOperation, sweptOperation } from "./library/operations.ts";

/** How often a server looks for fences; servers of a tier take turns by chance. */
const INTERVAL_MIN_MS = 10_000;
const INTERVAL_MAX_MS = 20_000;
/** Of one step of a scan, and of one operation. */
const STEP_ENTRIES = "256";
const OPERATION_MAX_ENTRIES = 64;
/** Between two steps, so that a sweep leaves time for calls. */
const STEP_PAUSE_MS = 5;

export interface SweeperDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly fraction: () => number;
  /** Throws when some shards have no node now. */
  nodes(): readonly ListedNode[];
  epochOf(shard: number): bigint;
  /** Runs an operation of a shard, and rejects when there is no answer. */
  run(shard: number, bytes: Buffer, keys: readonly string[]): Promise<unknown>;
  failed(cause: unknown): void;
}

interface FencedShard {
  readonly shard: number;
  readonly head: ShardHead;
}

export class Sweeper {
  readonly #deps: SweeperDeps;
  #isSweeping = false;
  #dueMs: number;

  constructor(deps: SweeperDeps) {
    this.#deps = deps;
    this.#dueMs = this.#nextMs();
  }

  /** Sweeps when it is time to. */
  tick(nowMs: number): void {
    if (this.#isSweeping || nowMs < this.#dueMs) return;
    this.#isSweeping = true;
    const done = () => {
      this.#isSweeping = false;
      this.#dueMs = this.#nextMs();
    };
    this.sweep().then(done, (error: unknown) => {
      done();
      this.#deps.failed(error);
    });
  }

  /** Sweeps all nodes, one after the other. Rejects where one cannot be: its fences stay, and are swept another time. */
  async sweep(): Promise<void> {
    for (const node of this.#deps.nodes()) {
      const fenced = await fencedShards(node);
      if (fenced.length > 0) await this.#sweepNode(node, fenced);
    }
  }

  async #sweepNode({ link }: ListedNode, fenced: readonly FencedShard[]): Promise<void> {
    const byPrefix = new Map(fenced.map(({ shard }) => [shardKeys(shard).entries, shard]));
    let cursor = "0";
    do {
      const args = ["SCAN", cursor, "MATCH", "{mc*}:e:*", "COUNT", STEP_ENTRIES];
      const [next, found] = (await ask(link.connection, args)) as readonly [Reply, Reply];
      for (const [shard, names] of groupsOf(found, byPrefix)) await this.#sweepEntries(shard, names);
      cursor = String(next);
      await this.#pause();
    } while (cursor !== "0");
    for (const { shard, head } of fenced) {
      // A shard that is elsewhere, or has begun again, was not scanned as a whole.
      const isSame = this.#deps.epochOf(shard) === head.epoch;
      const node = this.#deps.nodes().find(({ shards }) => shards.includes(shard));
      if (isSame && node?.link === link) {
        await this.#deps.run(shard, sweptOperation(head.epoch, head.revision), []);
      }
    }
  }

  async #sweepEntries(shard: number, names: readonly string[]): Promise<void> {
    for (let at = 0; at < names.length; at += OPERATION_MAX_ENTRIES) {
      const some = names.slice(at, at + OPERATION_MAX_ENTRIES);
      await this.#deps.run(shard, sweepOperation(some.map(toEntry)), some);
    }
  }

  #pause(): Promise<void> {
    const { clock, boundary } = this.#deps;
    return new Promise((resolve) => {
      clock.schedule(STEP_PAUSE_MS, boundary.guard(undefined, resolve));
    });
  }

  #nextMs(): number {
    const { clock, fraction } = this.#deps;
    return clock.nowMs() + INTERVAL_MIN_MS + fraction() * (INTERVAL_MAX_MS - INTERVAL_MIN_MS);
  }
}

/** Those of a node of which entries are to be compared with fences. */
async function fencedShards({ link, shards }: ListedNode): Promise<FencedShard[]> {
  const heads = await Promise.all(
    shards.map(async (shard) => {
      const bytes = await ask(link.connection, ["GET", shardKeys(shard).head]);
      return { shard, head: Buffer.isBuffer(bytes) ? readHead(bytes) : undefined };
    }),
  );
  return heads.flatMap(({ shard, head }) =>
    head !== undefined && (head.newestTag > 0 || head.newestPrefix > 0) ? [{ shard, head }] : [],
  );
}

/** The names of entries by their shards. */
function groupsOf(found: Reply, byPrefix: ReadonlyMap<string, number>): ReadonlyMap<number, string[]> {
  const groups = new Map<number, string[]>();
  for (const bytes of Array.isArray(found) ? (found as readonly Reply[]) : []) {
    const name = Buffer.isBuffer(bytes) ? bytes.toString() : "";
    const begin = name.indexOf(":e:") + 3;
    const shard = byPrefix.get(name.slice(0, begin));
    if (shard === undefined) continue;
    const group = groups.get(shard);
    if (group === undefined) groups.set(shard, [name.slice(begin)]);
    else group.push(name.slice(begin));
  }
  return groups;
}

function toEntry(name: string): { readonly namespace: string; readonly key: string } {
  const end = name.indexOf(SEPARATOR);
  return { namespace: name.slice(0, end), key: name.slice(end + 1) };
}

const SEPARATOR = entryName("", "");
