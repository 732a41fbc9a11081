/** What a proxy has counted since it began. Each has a few values that are known before, and none names a URL or a client. */

/** What became of a request. Each request is counted once. */
export const OUTCOMES = [
  /** From the cache, fresh. */
  "hit",
  /** From the cache, as `stale-while-revalidate` or the request permits. */
  "stale",
  /** From the cache, because the origin has failed. */
  "stale_on_error",
  /** From the cache, after the origin has confirmed it. */
  "revalidated",
  /** The answer that somebody else's request has brought. */
  "collapsed",
  /** From the origin, by a request whose answer may be kept. */
  "miss",
  /** From the origin, by a request that may not use the cache. */
  "pass",
  /** From the origin, by a method that may change something. */
  "write",
  /** A permitted PURGE. */
  "purge",
  /** Refused by the proxy. */
  "refused",
  /** The origin has not answered, and nothing else could be served. */
  "error",
  /** Its client was gone before its answer. */
  "gone",
] as const;

/** Why an answer of the origin was not stored. */
export const UNKEPT = [
  /** The request or the response says so: `no-store`. */
  "no_store",
  "private",
  /** A status that is not kept: parts, and those that it does not understand where it must. */
  "status",
  /** Of a request with Authorization, and nothing permits to share it. */
  "authorization",
  /** Nothing says for how long. */
  "no_lifetime",
  /** It is stale as it comes, and has no validator. */
  "stale",
  /** `Vary: *`, or more names than are looked at. */
  "vary",
  /** More tags than an entry may have, or longer ones. */
  "tags",
  /** Longer than `bodyMaxBytes`. */
  "too_long",
  /** It took longer than a lease may last. */
  "too_slow",
  /** Too many bytes of other bodies were on their way into the cache. */
  "no_room",
  /** The origin has failed. */
  "server_error",
  /** It broke off. */
  "broken",
] as const;

/** What was full. */
export const LIMITS = [
  /** Connections of clients: ended at once. */
  "connections",
  /** Requests that wait for a connection to the origin: answered with 503. */
  "waiting",
  /** Bytes of bodies on their way into the cache: handed on and not kept. */
  "recorded_bytes",
] as const;

export type Outcome = (typeof OUTCOMES)[number];
export type Unkept = (typeof UNKEPT)[number];
export type Limit = (typeof LIMITS)[number];

export interface Counts {
  readonly requests: Record<Outcome, number>;
  /** Bytes of bodies that clients were sent, by where they came from. */
  readonly sentBytes: Record<"cache" | "origin", number>;
  /** Requests to the origin. */
  originRequests: number;
  /** Bytes of bodies that it has sent. */
  originBytes: number;
  /** Answers that were given to the cache. */
  stored: number;
  readonly notStored: Record<Unkept, number>;
  /** Writes and purges whose invalidation no server has acknowledged in time. */
  invalidationsUnacknowledged: number;
  readonly refusedByLimit: Record<Limit, number>;
}

export function createCounts(): Counts {
  return {
    requests: zeroes(OUTCOMES),
    sentBytes: { cache: 0, origin: 0 },
    originRequests: 0,
    originBytes: 0,
    stored: 0,
    notStored: zeroes(UNKEPT),
    invalidationsUnacknowledged: 0,
    refusedByLimit: zeroes(LIMITS),
  };
}

function zeroes<Name extends string>(names: readonly Name[]): Record<Name, number> {
  return Object.fromEntries(names.map((name) => [name, 0])) as Record<Name, number>;
}
