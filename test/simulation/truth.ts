/**
 * The truth: what each key held on the server, and when. A plain list for each key, built from the commands
 * to the store. It has nothing in common with the implementation of the store: no fences, no floors, no
 * sweeps.
 */
import type { InvalidateTarget } from "../../src/store/api/store.ts";
import type { Moment } from "./history.ts";

/** A period in which the state of a key did not change. */
export interface Spell {
  readonly key: string;
  /** Undefined: no entry. */
  readonly held: Held | undefined;
  /** Softly invalidated: the entry exists and is stale. */
  readonly soft: boolean;
  readonly from: Moment;
  /** Undefined: the period has not ended. */
  end: Moment | undefined;
  /** The entry is fresh before this instant of virtual time. Infinity: no TTL. */
  readonly freshUntilMs: number;
  readonly staleUntilMs: number;
}

/** The entry that one Set stored. */
export interface Held {
  /** Decoded. Undefined: the entry records that the source has no such record. */
  readonly value: string | undefined;
  readonly life: number;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly since: Moment;
}

/** A revision, in one life of the store, that changed a key. */
interface KeyChange {
  readonly life: number;
  readonly shard: number;
  readonly revision: number;
  readonly moment: Moment;
}

/** An invalidation command to the store. */
export interface Invalidation {
  readonly moment: Moment;
  readonly namespace: string;
  readonly target: InvalidateTarget;
  readonly soft: boolean;
  readonly sourceVersion: bigint;
  readonly origin: string;
}

/** The state of all keys when a snapshot was written. */
export interface SavedTruth {
  readonly life: number;
  readonly spells: ReadonlyMap<string, Spell>;
  /** Of the store, by shard. */
  readonly endRevisions: readonly number[];
}

export interface Truth {
  /** The lives of the store: 0, 1, 2 and so on. */
  readonly life: number;
  lifeOf(epoch: bigint): number | undefined;
  restarted(epoch: bigint, moment: Moment): void;
  save(endRevisions: readonly number[]): SavedTruth;
  /** A store goes on with what was saved: in the same life, if nothing has happened since, or else in another one. */
  resumed(epoch: bigint, moment: Moment, saved: SavedTruth): void;
  stored(
    key: string,
    held: Omit<Held, "life" | "since">,
    lifetimes: { readonly ttlMs: number; readonly staleMs: number },
    shard: number,
    moment: Moment,
  ): void;
  /** As `stored`, of an entry that keeps the lifetimes of the one before. */
  incremented(key: string, held: Omit<Held, "life" | "since">, shard: number, moment: Moment): void;
  touched(
    key: string,
    lifetimes: { readonly ttlMs: number; readonly staleMs: number },
    at: { shard: number; revision: number },
    moment: Moment,
  ): void;
  invalidated(
    invalidation: Invalidation,
    revisionOf: (key: string) => { shard: number; revision: number },
  ): void;
  /** All periods of a key, the oldest first. Never empty. */
  spells(key: string): readonly Spell[];
  current(key: string): Spell;
  /** The keys that a revision changed, and when. */
  changesAt(life: number, shard: number, revision: number): readonly { key: string; moment: Moment }[];
  readonly invalidations: readonly Invalidation[];
  readonly keys: readonly string[];
}

export const matchesKey = (target: InvalidateTarget, key: string, tags: readonly string[]): boolean => {
  switch (target.kind) {
    case "keys":
      return target.keys.includes(key);
    case "tags":
      return target.tags.some((tag) => tags.includes(tag));
    case "prefix":
      return key.startsWith(target.prefix);
    case "all":
      return true;
    default:
      return target satisfies never;
  }
};

/** `isOneLife`: no revision is ever used twice, so that all epochs are of one life. */
export function createTruth(keys: readonly string[], isOneLife = false): Truth {
  const beginning: Moment = { order: -1, atMs: 0 };
  const nothing = (key: string, from: Moment): Spell => ({
    key,
    held: undefined,
    soft: false,
    from,
    end: undefined,
    freshUntilMs: 0,
    staleUntilMs: 0,
  });
  const timelines = new Map(keys.map((key) => [key, [nothing(key, beginning)]]));
  const changes = new Map<string, { key: string; moment: Moment }[]>();
  // A number for each life, because a store that uses an epoch twice is one of the bugs to find.
  const lives = new Map<bigint, number>();
  let life = -1;
  /** What was saved last, until a store begins. */
  let lastSaved: SavedTruth | undefined;
  /** Where each life began that did not begin with nothing. */
  const parents = new Map<number, SavedTruth>();
  const invalidations: Invalidation[] = [];

  const spells = (key: string): Spell[] => {
    const found = timelines.get(key);
    if (found === undefined) throw new Error(`the simulation does not know the key ${key}`);
    return found;
  };
  const current = (key: string): Spell => {
    const last = spells(key).at(-1);
    if (last === undefined) throw new Error("a timeline is never empty");
    return last;
  };
  const begin = (spell: Spell): void => {
    current(spell.key).end = spell.from;
    spells(spell.key).push(spell);
  };
  const changed = (key: string, change: KeyChange): void => {
    const at = `${change.life}/${change.shard}/${change.revision}`;
    const known = changes.get(at);
    if (known === undefined) changes.set(at, [{ key, moment: change.moment }]);
    else known.push({ key, moment: change.moment });
  };
  const ends = (moment: Moment, { ttlMs, staleMs }: { ttlMs: number; staleMs: number }) => ({
    freshUntilMs: ttlMs === 0 ? Number.POSITIVE_INFINITY : moment.atMs + ttlMs,
    staleUntilMs: ttlMs === 0 ? Number.POSITIVE_INFINITY : moment.atMs + ttlMs + staleMs,
  });

  const truth: Truth = {
    get life() {
      return life;
    },
    lifeOf: (epoch) => (isOneLife ? 0 : lives.get(epoch)),
    restarted(epoch, moment) {
      life = isOneLife ? 0 : life + 1;
      lastSaved = undefined;
      lives.set(epoch, life);
      for (const key of keys) begin(nothing(key, moment));
    },
    save(endRevisions) {
      lastSaved = { life, spells: new Map(keys.map((key) => [key, current(key)])), endRevisions };
      return lastSaved;
    },
    resumed(epoch, moment, saved) {
      const goesOn = saved === lastSaved;
      lastSaved = undefined;
      if (!goesOn) {
        life += 1;
        parents.set(life, saved);
        for (const spell of saved.spells.values()) {
          const held = spell.held && { ...spell.held, life };
          begin({ ...spell, held, from: moment, end: undefined });
        }
      }
      lives.set(epoch, life);
    },
    stored(key, held, lifetimes, shard, moment) {
      const entry = { ...held, life, since: moment };
      begin({ key, held: entry, soft: false, from: moment, end: undefined, ...ends(moment, lifetimes) });
      changed(key, { life, shard, revision: held.version, moment });
    },
    incremented(key, held, shard, moment) {
      const entry = { ...held, life, since: moment };
      begin({ ...current(key), held: entry, from: moment, end: undefined });
      changed(key, { life, shard, revision: held.version, moment });
    },
    touched(key, lifetimes, at, moment) {
      begin({ ...current(key), from: moment, end: undefined, ...ends(moment, lifetimes) });
      changed(key, { life, ...at, moment });
    },
    invalidated(invalidation, revisionOf) {
      invalidations.push(invalidation);
      const { moment, target, soft, sourceVersion } = invalidation;
      for (const key of keys) {
        const spell = current(key);
        const { held } = spell;
        if (!matchesKey(target, key, held?.tags ?? [])) continue;
        if (held !== undefined && sourceVersion > 0n && held.sourceVersion >= sourceVersion) continue;
        if (held !== undefined) {
          if (!soft) begin(nothing(key, moment));
          else if (!spell.soft) begin({ ...spell, soft: true, from: moment, end: undefined });
        }
        changed(key, { life, ...revisionOf(key), moment });
      }
    },
    spells,
    current,
    changesAt(life, shard, revision) {
      const parent = parents.get(life);
      const isOfParent = parent !== undefined && revision <= (parent.endRevisions[shard] ?? 0);
      if (isOfParent) return truth.changesAt(parent.life, shard, revision);
      return changes.get(`${life}/${shard}/${revision}`) ?? [];
    },
    invalidations,
    keys,
  };
  return truth;
}
