/** The range of what can be set of snapshots. */
import type { Bound } from "../common/bound.ts";

export const SNAPSHOT_BOUNDS = {
  maxAgeMs: { fallback: 600_000, min: 1_000, max: 86_400_000 },
} as const satisfies Readonly<Record<string, Bound>>;
