/**
 * Checks the reads of origin keys against the promise to the writers of the origin: after the invalidation of
 * a committed write was answered, no reader gets an older row, except from a near cache within the lease.
 */
import type { EntrySource } from "../../src/client/api/results.ts";
import type { History, Moment } from "./history.ts";
import type { Operations } from "./operations.ts";
import { rowVersionOf } from "./origin.ts";
import type { Observed } from "./witness.ts";

export interface GivenValue {
  readonly client: string;
  readonly key: string;
  readonly observed: Observed;
  readonly source: EntrySource;
  readonly call: Moment;
  readonly returned: Moment;
  /** By how much the wall clock of the client was set back since its last pulse. */
  readonly setBackMs: number;
  /** How long a near copy may be out of date. */
  readonly maxAgeMs: number;
}

export interface LoadJudge {
  loaded(value: string, client: string, begun: Moment): void;
  value(given: GivenValue): void;
  readonly judged: number;
}

export function createLoadJudge(
  history: History,
  operations: Operations,
  /** When the source versions of before were last lost. */
  versionsLost: () => Moment,
  /** When a store last began with a state from before: what was written until then may be undone. */
  undone: () => Moment,
  versionedKey: string,
): LoadJudge {
  const loads = new Map<string, { readonly client: string; readonly begun: Moment }>();
  let judged = 0;

  return {
    get judged() {
      return judged;
    },
    loaded: (value, client, begun) => loads.set(value, { client, begun }),
    value({ client, key, observed, source, call, maxAgeMs, setBackMs }) {
      if (observed.kind !== "value") return;
      const row = rowVersionOf(observed.value);
      if (row === undefined) return;
      judged += 1;
      const load = loads.get(observed.value);
      if (source === "loader" && load?.client !== client) {
        history.violate("foreign-load", `${client} was given ${observed.value}, which it did not load`);
      }
      for (const write of operations.completedWrites) {
        if (write.key !== key || write.row <= row) continue;
        if (write.call.order < undone().order) continue;
        // After a soft invalidation the old row may be served during a load.
        if (write.soft && observed.stale) continue;
        if (key === versionedKey && write.call.order < versionsLost().order) continue;
        const own = write.client === client && write.returned.order < call.order;
        const published = write.published();
        const known = published !== undefined && published.atMs <= call.atMs - maxAgeMs - setBackMs;
        if (!own && !known) continue;
        history.violate(
          own ? "own-write" : "outdated-row",
          `${client} was given ${observed.value} (${source}), and row ${write.row} was written and published by ` +
            `${write.client} at ${(published ?? write.returned).atMs} ms`,
        );
        return;
      }
    },
  };
}
