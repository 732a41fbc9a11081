/** What a proxy has counted since it began. */

const NAMES = {
  /** Answers from the cache, stale ones too. */
  hits: 0,
  /** Requests to the origin whose answers might be kept. */
  loads: 0,
  /** Answers that somebody else's request has brought. */
  collapsed: 0,
  /** Stale answers because the origin had failed. */
  staleAfterErrors: 0,
  /** Requests that went to the origin as they are. */
  passed: 0,
  /** Requests with a method that may change something. */
  writes: 0,
  /** Those of them whose invalidation no server has acknowledged in time. */
  invalidationsUnacknowledged: 0,
  /** Permitted requests to remove responses. */
  purges: 0,
  /** Requests that were refused before anything was done for them. */
  refused: 0,
  /** Requests that the origin did not answer. */
  originErrors: 0,
  /** Bodies that were not kept because they were too long, took too long, or there were too many at a time. */
  bodiesTooLong: 0,
  /** Connections that were ended at once because there were too many. */
  connectionsRefused: 0,
};

export type Counts = typeof NAMES;

export function createCounts(): Counts {
  return { ...NAMES };
}
