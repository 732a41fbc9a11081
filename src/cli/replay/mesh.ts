/**
 * Runs a trace through two clients with near caches: both read by turns, and load what is missing; one of them writes,
 * which changes the origin, then invalidates by key or by tag.
 *
 * Every value is held against what its client promises (coherence.ts of the client):
 *   - The writing client reads its own writes: a value may lack none that was acknowledged before the read.
 *   - So it is with every value that was asked for at the server on behalf of this very read.
 *   - A local value of the other client may lag behind, but not by more than the lease; and it may lack no
 *     write that was delivered: after each write the other client is asked to `sync`, and when it says that
 *     everything invalidated before is gone, it must be.
 */
import { setImmediate as turn } from "node:timers/promises";
import type { Rng } from "../../common/random.ts";
import type { ReplayPlan } from "./cache-aside.ts";
import type { MeshClient, MeshRead } from "./mesh-client.ts";
import type { MeshTally } from "./mesh-tally.ts";
import { isOlder, type Origin, type Version } from "./origin.ts";
import type { Payloads } from "./payload.ts";
import type { TraceObject } from "./trace.ts";

export interface MeshParts {
  readonly writer: MeshClient;
  readonly reader: MeshClient;
  /** L of the promise. */
  readonly leaseMs: number;
  readonly origin: Origin;
  readonly payloads: Payloads;
  readonly rng: Rng;
  readonly tally: MeshTally;
  readonly interrupted: AbortSignal;
  readonly onProgress?: () => void;
}

/** What may be held against a read, as it was when the read was issued. */
interface Issue {
  readonly object: TraceObject;
  readonly atMs: number;
  readonly floor: Version;
  readonly deliveredFloor: Version;
}

/** Replays to the end, or to the interruption. Rejects with the first error of a client. */
export async function replayThroughClients(plan: ReplayPlan, parts: MeshParts): Promise<void> {
  const { origin, payloads, rng, tally, interrupted } = parts;
  const { counts, latencies } = tally;
  const writer = createSide(parts.writer);
  const reader = createSide(parts.reader);
  let next = 0;
  let failed = false;

  const judge = ({ value, source }: MeshRead, issue: Issue, own: boolean, joined: boolean): void => {
    const { object, floor, deliveredFloor, atMs } = issue;
    const version = payloads.versionOf(value, object, origin.load(object));
    if (version === undefined) counts.wrong += 1;
    else if (isOlder(version, floor)) {
      const behindMs = atMs - (origin.overtakenAtMs(object, version) ?? atMs);
      const mayLag = !own && (source === "near" || joined);
      if (mayLag && !isOlder(version, deliveredFloor) && behindMs <= parts.leaseMs) {
        counts.behind += 1;
        counts.behindMaxMs = Math.max(counts.behindMaxMs, behindMs);
      } else {
        counts.stale += 1;
        if (own) counts.staleOwn += 1;
      }
    }
  };

  const read = async (side: Side, object: TraceObject): Promise<void> => {
    const atMs = performance.now();
    const issue: Issue = {
      object,
      atMs,
      floor: origin.floor(object),
      deliveredFloor: origin.deliveredFloor(object),
    };
    // One client has one load of a key under way: whoever comes later may be given what the first asked for.
    const joined = side.begin(object);
    const answer = await side.client
      .read(object, async () => {
        const version = origin.load(object);
        // The origin answers a turn later, so that writes can come between.
        await turn();
        return payloads.encode(object, version);
      })
      .finally(() => side.end(object));
    tally.read(answer.source, performance.now() - atMs);
    judge(answer, issue, side === writer, joined);
    // Each access is a request, and comes in a turn of its own: near hits alone would let no event in.
    if (answer.source === "near") await turn();
  };

  const write = async (object: TraceObject, byTag: boolean): Promise<void> => {
    const startedAtMs = performance.now();
    counts[byTag ? "tagWrites" : "keyWrites"] += 1;
    const written = byTag ? origin.writeTag(object) : origin.writeKey(object);
    await (byTag ? writer.client.invalidateTag(object) : writer.client.invalidateKey(object));
    written.acknowledge();
    const acknowledgedAtMs = performance.now();
    latencies.record("invalidate", acknowledgedAtMs - startedAtMs);
    await reader.client.sync();
    written.deliver();
    latencies.record("deliver", performance.now() - acknowledgedAtMs);
  };

  const worker = async (): Promise<void> => {
    while (next < plan.accesses && !failed && !interrupted.aborted) {
      const object = plan.trace.at(next);
      const side = next % 2 === 0 ? reader : writer;
      next += 1;
      if (rng.fraction() >= plan.writes) await read(side, object);
      else await write(object, rng.fraction() < plan.tagWrites);
      counts.accesses += 1;
      parts.onProgress?.();
    }
  };

  const stopOthers = (error: unknown): never => {
    failed = true;
    throw error;
  };
  await Promise.all(Array.from({ length: plan.concurrency }, () => worker().catch(stopOthers)));
}

/** A client and the keys that it is reading. */
interface Side {
  readonly client: MeshClient;
  /** True when the key was being read already. */
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
