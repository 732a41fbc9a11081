/** What a replay through clients counts. */
import type { EntrySource } from "../../index.ts";
import { createLatencies, type Latencies } from "./latencies.ts";

/** "invalidate": until it is answered. "deliver": from then until the other client has applied it. */
const MESH_LATENCY_KINDS = ["near", "remote", "loader", "invalidate", "deliver"] as const;
export type MeshLatencyKind = (typeof MESH_LATENCY_KINDS)[number];

export interface MeshCounts {
  accesses: number;
  reads: number;
  /** Reads by what answered them. */
  near: number;
  remote: number;
  loader: number;
  keyWrites: number;
  tagWrites: number;
  /** Local reads that a write had overtaken, within the bound: its event was on the way. */
  behind: number;
  /** How far the furthest of them was behind, in ms. */
  behindMaxMs: number;
  /** Reads older than the promise allows. */
  stale: number;
  /** The same of the client that had written by itself. */
  staleOwn: number;
  wrong: number;
}

export interface MeshTally {
  readonly counts: MeshCounts;
  readonly latencies: Latencies<MeshLatencyKind>;
  read(source: EntrySource, ms: number): void;
}

export function createMeshTally(): MeshTally {
  const latencies = createLatencies(MESH_LATENCY_KINDS);
  const counts: MeshCounts = {
    accesses: 0,
    reads: 0,
    near: 0,
    remote: 0,
    loader: 0,
    keyWrites: 0,
    tagWrites: 0,
    behind: 0,
    behindMaxMs: 0,
    stale: 0,
    staleOwn: 0,
    wrong: 0,
  };
  return {
    counts,
    latencies,
    read(source, ms) {
      counts.reads += 1;
      counts[source] += 1;
      latencies.record(source, ms);
    },
  };
}
