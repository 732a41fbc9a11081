/** Replays a trace through two clients with near caches, and describes the result for people and for programs. */

import type { ClientTlsOptions } from "../../index.ts";
import { plural, toCount, toShare } from "../output/text.ts";
import { type MeshParts, replayThroughClients } from "./mesh.ts";
import { createMeshClient, type MeshClient, type NearCounts } from "./mesh-client.ts";
import { createMeshTally, type MeshCounts } from "./mesh-tally.ts";
import type { ReplayPlan } from "./plan.ts";
import {
  describeTraffic,
  type Traffic,
  toJsonPlan,
  toJsonRates,
  toThroughputRow,
  toWritesRow,
} from "./traffic.ts";

export interface MeshConnection {
  readonly address: string;
  readonly namespace: string;
  /** How long one operation of a client may take. */
  readonly deadlineMs: number;
  readonly tls?: ClientTlsOptions;
  readonly token?: () => string;
}

/** The longest that a near cache may be behind (`leaseMs` of the client). */
export const MESH_LEASE_MS = 5_000;

/** Connects both clients. */
export async function openMeshTraffic(
  plan: ReplayPlan,
  seed: number,
  connection: MeshConnection,
  parts: Omit<MeshParts, "tally" | "writer" | "reader" | "leaseMs">,
): Promise<Traffic> {
  const connect = (clientId: string): MeshClient =>
    createMeshClient({ ...connection, clientId, leaseMs: MESH_LEASE_MS });
  const writer = connect("replay-writer");
  const reader = connect("replay-reader");
  const clients = [writer, reader];
  const close = async () => {
    await Promise.all(clients.map((client) => client.close()));
  };
  try {
    // A near cache keeps nothing before its subscription is live.
    await Promise.all(clients.map((client) => client.sync()));
  } catch (error) {
    await close();
    throw error;
  }

  const tally = createMeshTally();
  const { counts, latencies } = tally;
  return {
    run: () => replayThroughClients(plan, { ...parts, writer, reader, leaseMs: MESH_LEASE_MS, tally }),
    progress: () => ({ ...counts, hits: counts.near + counts.remote }),
    coherent: () => counts.stale + counts.wrong === 0,
    toJson: (seconds) => ({
      ...toJsonPlan(plan, seed),
      clients: 2,
      ...counts,
      nearRatio: counts.reads === 0 ? 0 : counts.near / counts.reads,
      remoteRatio: counts.reads === 0 ? 0 : counts.remote / counts.reads,
      boundMs: MESH_LEASE_MS,
      ...sumNearCounts(clients),
      ...toJsonRates(counts.accesses, seconds),
      latency: latencies.toJson(),
    }),
    describe: (seconds) =>
      describeTraffic(
        plan,
        seed,
        "two clients with near caches, one of them writing",
        toRows(counts, sumNearCounts(clients), seconds),
        latencies.toLines(),
      ),
    close,
  };
}

function sumNearCounts(clients: readonly MeshClient[]): NearCounts {
  const each = clients.map((client) => client.nearCounts());
  return {
    invalidated: each.reduce((sum, { invalidated }) => sum + invalidated, 0),
    evicted: each.reduce((sum, { evicted }) => sum + evicted, 0),
  };
}

function toRows(counts: Readonly<MeshCounts>, near: NearCounts, seconds: number): string[][] {
  const { reads, behind } = counts;
  const wrong = counts.wrong === 0 ? "" : ` · ${toCount(counts.wrong)} wrong`;
  return [
    [
      "near hits",
      toShare(counts.near, reads),
      `${toCount(counts.near)} of ${plural(reads, "read")} · ${toCount(near.invalidated)} copies invalidated · ${toCount(near.evicted)} evicted`,
    ],
    ["remote hits", toShare(counts.remote, reads), toCount(counts.remote)],
    ["loads", toShare(counts.loader, reads), toCount(counts.loader)],
    toThroughputRow(counts.accesses, seconds),
    toWritesRow(counts),
    [
      "behind",
      toCount(behind),
      behind === 0
        ? "no near hit was older than an acknowledged write"
        : `within the bound of ${toCount(MESH_LEASE_MS)} ms, at most by ${counts.behindMaxMs.toFixed(2)} ms`,
    ],
    [
      "stale reads",
      toCount(counts.stale),
      `of ${toCount(reads)} values checked · ${toCount(counts.staleOwn)} of own writes${wrong}`,
    ],
  ];
}
