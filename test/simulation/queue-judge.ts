/**
 * Checks the invalidations that clients queued: a caller was told that its invalidation is queued, so it reaches the store,
 * before the client asks the store for anything else. Until then the client reads nothing that it concerns from the cache.
 */
import type { History, Moment } from "./history.ts";
import { type Invalidation, matchesKey, type Truth } from "./truth.ts";
import type { Observed } from "./witness.ts";

/** An invalidation whose caller was told that it is queued. */
export interface Queued extends Pick<Invalidation, "target" | "soft" | "sourceVersion"> {
  readonly client: string;
  readonly call: Moment;
  readonly rejected: Moment;
}

export interface QueueJudge {
  queued(invalidation: Queued): void;
  /** When it reached the store, if it has. */
  effectOf(invalidation: Queued): Moment | undefined;
  /**
   * A client got an answer from the cache to what it asked at `call`. Returns the later of `floor` and of the state that the
   * answer must reflect.
   */
  read(
    client: string,
    key: string,
    observed: Observed,
    call: Moment,
    returned: Moment,
    floor: Moment,
  ): Moment;
  /** All is healed, and these clients live: nothing of theirs is left. */
  examine(clients: readonly string[]): void;
  /** How many were queued. */
  readonly judged: number;
}

/** `parts`: of the truth, each with keys of its own, whose stores are told of an invalidation one by one. */
export function createQueueJudge(
  history: History,
  truth: Truth,
  tagsOf: (key: string, observed: Observed) => readonly string[],
  parts: readonly Truth[] = [truth],
): QueueJudge {
  const byClient = new Map<string, Queued[]>();
  const effects = new Map<Queued, Moment>();
  let judged = 0;

  function effectOf(queued: Queued): Moment | undefined {
    const known = effects.get(queued);
    if (known !== undefined) return known;
    const effect = effectIn(queued, parts);
    if (effect !== undefined) effects.set(queued, effect);
    return effect;
  }

  /** When the last of these stores was told. Undefined: one was not. */
  function effectIn(queued: Queued, told: readonly Truth[]): Moment | undefined {
    let latest: Moment | undefined;
    for (const { keys, invalidations } of told) {
      const part = partOf(queued, keys);
      if (part === undefined) continue;
      const effect = invalidations.find(
        (one) => one.origin === queued.client && one.moment.order > queued.call.order && covers(one, part),
      );
      if (effect === undefined) return undefined;
      if (latest === undefined || effect.moment.order > latest.order) latest = effect.moment;
    }
    return latest;
  }

  return {
    get judged() {
      return judged;
    },
    queued(invalidation) {
      judged += 1;
      const known = byClient.get(invalidation.client);
      if (known === undefined) byClient.set(invalidation.client, [invalidation]);
      else known.push(invalidation);
    },
    effectOf,
    read(client, key, observed, call, returned, floor) {
      // By its own tags, not those that another process has given the key since. A kept miss has none.
      const tags = observed.kind === "miss" ? [] : tagsOf(key, observed);
      let latest = floor;
      for (const queued of byClient.get(client) ?? []) {
        if (queued.rejected.order > call.order || !matchesKey(queued.target, key, tags)) continue;
        const effect = effectIn(
          queued,
          parts.filter(({ keys }) => keys.includes(key)),
        );
        if (effect === undefined || effect.order > returned.order) {
          history.violate(
            "queued-order",
            `${client} read ${key} before its ${describe(queued)} reached the store`,
          );
        } else if (effect.order > latest.order) latest = effect;
      }
      return latest;
    },
    examine(clients) {
      for (const client of clients) {
        for (const queued of byClient.get(client) ?? []) {
          if (effectOf(queued) !== undefined) continue;
          history.violate("queued-lost", `the ${describe(queued)} of ${client} never reached the store`);
        }
      }
    },
  };
}

const describe = ({ target, soft }: Queued): string =>
  `queued ${soft ? "soft " : ""}invalidation of ${JSON.stringify(target)}`;

/** What concerns a store with these keys. Undefined: nothing does. */
function partOf(queued: Queued, keys: readonly string[]): Queued | undefined {
  if (queued.target.kind !== "keys") return queued;
  const own = queued.target.keys.filter((key) => keys.includes(key));
  return own.length === 0 ? undefined : { ...queued, target: { kind: "keys", keys: own } };
}

/** Whether `done` did what was queued: the same, merged with others, or a clear of the namespace. */
function covers(done: Invalidation, queued: Queued): boolean {
  if (done.soft && !queued.soft) return false;
  if (done.target.kind === "all") return true;
  if (done.sourceVersion < queued.sourceVersion) return false;
  if (done.sourceVersion > 0n && queued.sourceVersion === 0n) return false;
  switch (queued.target.kind) {
    case "keys":
      return done.target.kind === "keys" && includesAll(done.target.keys, queued.target.keys);
    case "tags":
      return done.target.kind === "tags" && includesAll(done.target.tags, queued.target.tags);
    case "prefix":
      return done.target.kind === "prefix" && done.target.prefix === queued.target.prefix;
    case "all":
      return false;
    default:
      return queued.target satisfies never;
  }
}

const includesAll = (some: readonly string[], others: readonly string[]): boolean =>
  others.every((one) => some.includes(one));
