/** What each namespace does: its counters, and its rates between two readings. */
import type { NamespaceStats, StatsResponse } from "../../../gen/meshcache/v1/admin_pb.ts";

export interface NamespaceReading {
  readonly atMs: number;
  readonly stats: StatsResponse;
}

export interface NamespaceFigures {
  /** Empty: all that are not named, together. */
  readonly name: string;
  readonly entries: number;
  readonly bytes: number;
  readonly ceilingBytes: number;
  readonly floorBytes: number;
  /** A second. NaN at the first reading. */
  readonly reads: number;
  readonly sets: number;
  /** Of the reads between the readings; without any, of all since the server has an account for it. */
  readonly hitRatio: number;
  readonly isRatioOfAll: boolean;
  readonly invalidations: Readonly<Record<"keys" | "tags" | "prefixes" | "all", number>>;
  readonly evictedForRoom: number;
}

interface Counts {
  readonly hits: number;
  readonly reads: number;
  readonly sets: number;
}

function countsOf({ operations }: NamespaceStats): Counts {
  const hits = Number(operations?.hits ?? 0n);
  const reads = hits + Number(operations?.staleHits ?? 0n) + Number(operations?.misses ?? 0n);
  return { hits, reads, sets: Number(operations?.sets ?? 0n) };
}

export function namespacesBetween(
  before: NamespaceReading | undefined,
  after: NamespaceReading,
): NamespaceFigures[] {
  const isSameLife = before !== undefined && before.stats.epoch === after.stats.epoch;
  const seconds = isSameLife ? (after.atMs - before.atMs) / 1_000 : Number.NaN;
  const old = new Map(isSameLife ? before.stats.namespaces.map((one) => [one.namespace, countsOf(one)]) : []);
  return after.stats.namespaces.map((stats) => {
    const now = countsOf(stats);
    // A namespace that was not named before was among the others: what it did since then is not known.
    const then = old.get(stats.namespace);
    const rate = (grown: number) => (grown >= 0 ? grown / seconds : Number.NaN);
    const reads = then === undefined ? Number.NaN : rate(now.reads - then.reads);
    const isRatioOfAll = then === undefined || !(reads > 0);
    const { invalidations, evictions } = stats.operations ?? {};
    return {
      name: stats.namespace,
      entries: Number(stats.entries),
      bytes: Number(stats.bytes),
      ceilingBytes: Number(stats.ceilingBytes),
      floorBytes: Number(stats.floorBytes),
      reads,
      sets: then === undefined ? Number.NaN : rate(now.sets - then.sets),
      hitRatio: isRatioOfAll ? now.hits / now.reads : (now.hits - then.hits) / (now.reads - then.reads),
      isRatioOfAll,
      invalidations: {
        keys: Number(invalidations?.keys ?? 0n),
        tags: Number(invalidations?.tags ?? 0n),
        prefixes: Number(invalidations?.prefixes ?? 0n),
        all: Number(invalidations?.all ?? 0n),
      },
      evictedForRoom: Number(evictions?.capacity ?? 0n),
    };
  });
}
