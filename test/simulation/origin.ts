/** The simulated database behind the cache: rows with increasing versions. A read or a commit takes no time. */
import type { Rng } from "../../src/common/random.ts";

export interface Row {
  readonly key: string;
  readonly version: number;
  /** At this version there is no such record. */
  readonly deleted: boolean;
}

export interface Origin {
  read(key: string): Row;
  commit(key: string): Row;
}

export function createOrigin(rng: Rng): Origin {
  const rows = new Map<string, Row>();
  const read = (key: string): Row => rows.get(key) ?? { key, version: 1, deleted: false };
  return {
    read,
    commit(key) {
      const row = { key, version: read(key).version + 1, deleted: rng.fraction() < 0.15 };
      rows.set(key, row);
      return row;
    },
  };
}

/** A value names its row and the Set or load that created it: `user:1@7#load12`. */
export const rowValue = (row: Row, maker: string): string => `${row.key}@${row.version}#${maker}`;

/** The row version in a value. Undefined for a value without a row. */
export const rowVersionOf = (value: string): number | undefined => {
  const version = /@(\d+)#/.exec(value)?.[1];
  return version === undefined ? undefined : Number(version);
};
