/**
 * Replays a trace through two clients with near caches. Both read in turn, and load what is missing. One of them also
 * writes: it changes the origin, then invalidates by key or by tag.
 *
 * Every value is compared with what its client promises (src/client/coherence/coherence.ts):
 *   - The writing client reads its own writes: no write may be missing that was acknowledged before the read.
 *   - The same holds for a value of either client that the server was asked for by this read.
 *   - A near hit of the other client may be older, but not by more than the lease. No write may be missing that was
 *     delivered: after each write the other client is asked to `sync`, which resolves when everything that was
 *     invalidated before has left its near cache.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Rng } from "../../common/random.ts";
import { runConcurrently } from "./concurrently.ts";
import type { MeshClient, MeshRead } from "./mesh-client.ts";
import type { MeshTally } from "./mesh-tally.ts";
import { isOlder, type Origin, type Version } from "./origin.ts";
import type { Payloads } from "./payload.ts";
import type { ReplayPlan } from "./plan.ts";
import type { TraceObject } from "./trace.ts";

export interface MeshParts {
  readonly writer: MeshClient;
  readonly reader: MeshClient;
  /** The longest that a near cache may be behind. */
  readonly leaseMs: number;
  readonly origin: Origin;
  readonly payloads: Payloads;
  readonly rng: Rng;
  readonly tally: MeshTally;
  readonly interrupted: AbortSignal;
  readonly onProgress?: () => void;
}

/** The state of the origin when a read was sent. */
interface SentRead {
  readonly object: TraceObject;
  readonly sentAtMs: number;
  readonly floor: Version;
  readonly deliveredFloor: Version;
}

/** Resolves at the end of the trace, or after an interruption. Rejects with the first error of a client. */
export function replayThroughClients(plan: ReplayPlan, parts: MeshParts): Promise<void> {
  return new MeshReplay(plan, parts).run();
}

class MeshReplay {
  readonly #plan: ReplayPlan;
  readonly #parts: MeshParts;
  readonly #writer: Side;
  readonly #reader: Side;
  /** The index of the next access. */
  #next = 0;

  constructor(plan: ReplayPlan, parts: MeshParts) {
    this.#plan = plan;
    this.#parts = parts;
    this.#writer = createSide(parts.writer);
    this.#reader = createSide(parts.reader);
  }

  run(): Promise<void> {
    return runConcurrently(this.#plan.concurrency, () => this.#startAccess());
  }

  #startAccess(): Promise<void> | undefined {
    const { trace, accesses, writes, tagWrites } = this.#plan;
    const { rng, interrupted } = this.#parts;
    if (this.#next >= accesses || interrupted.aborted) return undefined;
    const object = trace.at(this.#next);
    const side = this.#next % 2 === 0 ? this.#reader : this.#writer;
    this.#next += 1;
    const isRead = rng.fraction() >= writes;
    return this.#count(isRead ? this.#read(side, object) : this.#write(object, rng.fraction() < tagWrites));
  }

  async #count(access: Promise<void>): Promise<void> {
    await access;
    this.#parts.tally.counts.accesses += 1;
    this.#parts.onProgress?.();
  }

  async #read(side: Side, object: TraceObject): Promise<void> {
    const { origin, payloads, tally } = this.#parts;
    const sentAtMs = performance.now();
    const floor = origin.floor(object);
    const deliveredFloor = origin.deliveredFloor(object);
    const joined = side.begin(object);
    const answer = await side.client
      .read(object, async () => {
        const version = origin.load(object);
        // The origin answers a turn later, so that writes can come between.
        await turn();
        return payloads.encode(object, version);
      })
      .finally(() => side.end(object));
    tally.read(answer.source, performance.now() - sentAtMs);
    this.#judge(answer, { object, sentAtMs, floor, deliveredFloor }, side, joined);
    // Lets events arrive: near hits alone would never yield to them.
    if (answer.source === "near") await turn();
  }

  /** `joined`: the answer may be that of an earlier read of the same key, which was under way. */
  #judge({ value, source }: MeshRead, read: SentRead, side: Side, joined: boolean): void {
    const { origin, payloads, leaseMs, tally } = this.#parts;
    const { counts } = tally;
    const { object, floor, deliveredFloor, sentAtMs } = read;
    const version = payloads.versionOf(value, object, origin.load(object));
    if (version === undefined) {
      counts.wrong += 1;
      return;
    }
    if (!isOlder(version, floor)) return;
    const own = side === this.#writer;
    const behindMs = sentAtMs - (origin.overtakenAtMs(object, version) ?? sentAtMs);
    const mayBeBehind = !own && (source === "near" || joined);
    if (mayBeBehind && !isOlder(version, deliveredFloor) && behindMs <= leaseMs) {
      counts.behind += 1;
      counts.behindMaxMs = Math.max(counts.behindMaxMs, behindMs);
    } else {
      counts.stale += 1;
      if (own) counts.staleOwn += 1;
    }
  }

  async #write(object: TraceObject, byTag: boolean): Promise<void> {
    const { origin, tally } = this.#parts;
    const writer = this.#writer.client;
    const startedAtMs = performance.now();
    tally.counts[byTag ? "tagWrites" : "keyWrites"] += 1;
    const written = byTag ? origin.writeTag(object) : origin.writeKey(object);
    await (byTag ? writer.invalidateTag(object) : writer.invalidateKey(object));
    written.acknowledge();
    const acknowledgedAtMs = performance.now();
    tally.latencies.record("invalidate", acknowledgedAtMs - startedAtMs);
    await this.#reader.client.sync();
    written.deliver();
    tally.latencies.record("deliver", performance.now() - acknowledgedAtMs);
  }
}

/** A client, and the keys that it is reading. Reads of one key join: a later one may get the answer of the first. */
interface Side {
  readonly client: MeshClient;
  /** True: another read of the key is under way. */
  begin(object: TraceObject): boolean;
  end(object: TraceObject): void;
}

function createSide(client: MeshClient): Side {
  const reading = new Map<number, number>();
  return {
    client,
    begin({ id }) {
      const others = reading.get(id) ?? 0;
      reading.set(id, others + 1);
      return others > 0;
    },
    end({ id }) {
      const others = (reading.get(id) ?? 1) - 1;
      if (others === 0) reading.delete(id);
      else reading.set(id, others);
    },
  };
}
