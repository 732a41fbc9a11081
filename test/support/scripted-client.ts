/** A client whose server is the test, and builders for the answers and events of that server. */
import { Event_Kind, NotStored_Reason } from "../../gen/meshcache/v1/cache_pb.ts";
import type { ClientOptions } from "../../src/client/api/options.ts";
import { MeshCache } from "../../src/client/mesh-cache.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { ManualClock } from "./manual-clock.ts";
import { EPOCH, type Reply, type ScriptedEvent, ScriptedServer } from "./scripted-server.ts";
import { Turns } from "./turns.ts";

export const NAMESPACE = "users";

export interface ScriptedClient {
  readonly cache: MeshCache;
  readonly server: ScriptedServer;
  readonly clock: ManualClock;
  settle(): Promise<void>;
}

export function createScriptedClient(options: Partial<ClientOptions> = {}): ScriptedClient {
  const clock = new ManualClock();
  const turns = new Turns();
  const server = new ScriptedServer();
  const cache = new MeshCache(
    { address: "server:1", revalidateJitterMs: 0, ...options },
    { clock, rng: createSeededRng(1), transport: server, scheduleFlush: turns.defer },
  );
  return { cache, server, clock, settle: () => turns.settle() };
}

interface At {
  readonly revision: number;
  readonly shard?: number;
  readonly epoch?: bigint;
}

export const stamp = ({ revision, shard = 0, epoch = EPOCH }: At) => ({
  epoch,
  shard,
  revision: BigInt(revision),
});

export interface HitScript extends At {
  readonly version?: number;
  readonly tags?: string[];
  readonly ttlMs?: number;
  readonly absent?: boolean;
}

const hitOf = (value: string, at: HitScript) => ({
  value: at.absent ? new Uint8Array(0) : Buffer.from(JSON.stringify(value)),
  version: BigInt(at.version ?? at.revision),
  tags: at.tags ?? [],
  ttlRemainingMs: BigInt(at.ttlMs ?? 0),
  absent: at.absent ?? false,
});

export const hit = (value: string, at: HitScript): Reply => ({
  case: "get",
  value: { asOf: stamp(at), outcome: { case: "hit", value: hitOf(value, at) } },
});

export const miss = (at: At): Reply => ({
  case: "get",
  value: { asOf: stamp(at), outcome: { case: "miss", value: {} } },
});

export const notModified = (at: At & { readonly ttlMs?: number }): Reply => ({
  case: "get",
  value: {
    asOf: stamp(at),
    outcome: { case: "notModified", value: { ttlRemainingMs: BigInt(at.ttlMs ?? 0) } },
  },
});

export const stored = (at: At): Reply => ({
  case: "set",
  value: { asOf: stamp(at), outcome: { case: "stored", value: { version: BigInt(at.revision) } } },
});

export const leaseLost = (at: At): Reply => ({
  case: "set",
  value: {
    asOf: stamp(at),
    outcome: { case: "notStored", value: { reason: NotStored_Reason.LEASE_LOST } },
  },
});

export const granted = (token: bigint, at: At): Reply => ({
  case: "lease",
  value: { asOf: stamp(at), outcome: { case: "granted", value: { token, leaseMs: 5_000n } } },
});

export const invalidated = (...ats: At[]): Reply => ({
  case: "invalidate",
  value: { stamps: ats.map(stamp), removed: 1n },
});

export const keyEvent = (key: string, at: At, kind: Event_Kind = Event_Kind.SET): ScriptedEvent => ({
  namespace: NAMESPACE,
  stamp: stamp(at),
  target: { case: "key", value: key },
  kind,
});

export const tagEvent = (tag: string, at: At): ScriptedEvent => ({
  namespace: NAMESPACE,
  stamp: stamp(at),
  target: { case: "tag", value: tag },
  kind: Event_Kind.INVALIDATED,
});

export const prefixEvent = (prefix: string, at: At): ScriptedEvent => ({
  namespace: NAMESPACE,
  stamp: stamp(at),
  target: { case: "prefix", value: prefix },
  kind: Event_Kind.INVALIDATED,
});

export const allEvent = (at: At): ScriptedEvent => ({
  namespace: NAMESPACE,
  stamp: stamp(at),
  target: { case: "all", value: true },
  kind: Event_Kind.INVALIDATED,
});
