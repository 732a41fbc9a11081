/** The counters of a replay through clients. */
import type { EntrySource } from "../../index.ts";
import { createLatencies, type Latencies } from "./latencies.ts";

/** "invalidate": until the answer. "deliver": from the answer until the other client has applied it. */
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
  /** Near hits that were older than an acknowledged write, within the bound: the event was on its way. */
  behind: number;
  /** The longest time that such a read was behind, in ms. */
  behindMaxMs: number;
  /** Reads older than the promise allows. */
  stale: number;
  /** Stale reads by the client that had written. */
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
