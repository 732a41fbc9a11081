/**
 * A store with a tap: passes every command to the real store, records the truth, and checks at once what
 * needs no search: reads, sums and listed keys against the truth, leases against the invalidations since they were granted, source
 * versions against those that are known, and request ids against a second effect.
 */
import type {
  EntryView,
  GetCommand,
  IncrementCommand,
  IncrementResult,
  InvalidateCommand,
  LeaseCommand,
  LeaseHolder,
  LeaseResult,
  SetCommand,
  Stamp,
  Store,
  TouchCommand,
} from "../../src/store/api/store.ts";
import type { ValueArena } from "../../src/store/api/value-arena.ts";
import type { History, Moment } from "./history.ts";
import { checkPage } from "./list-judge.ts";
import { matchesKey, type SavedTruth, type Spell, type Truth } from "./truth.ts";

/** Every Set of the simulation writes a value of its own, so that a value identifies its Set. */
export const decode = (entry: {
  readonly value: Uint8Array;
  readonly absent: boolean;
}): string | undefined => (entry.absent ? undefined : Buffer.from(entry.value).toString("utf8"));

/** An answer that the store gave during a call. */
interface Settled {
  /** Undefined: the call waits. */
  readonly asOf: Stamp | undefined;
  readonly check: () => void;
}

interface Grant {
  /** The id of its holder. */
  readonly holder: number;
  readonly key: string;
  readonly moment: Moment;
  readonly endsAtMs: number;
}

/** One Set, for which the store was asked once, or more often when it was retried. */
export interface SetCall {
  readonly key: string;
  readonly command: SetCommand;
  readonly life: number;
  /** The moments at which the store was asked. */
  readonly asked: Moment[];
  /** The moment at which it first stored something. */
  stored: { readonly moment: Moment; readonly version: number } | undefined;
}

/** One Increment, for which the store was asked once, or more often when it was retried. */
export interface IncrementCall {
  readonly key: string;
  readonly command: IncrementCommand;
  readonly asked: Moment[];
  /** When it first added, and what it was answered with. */
  added: { readonly moment: Moment; readonly value: bigint; readonly version: number } | undefined;
}

export interface TouchCall {
  readonly key: string;
  readonly origin: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly moment: Moment;
}

/** The calls of the store, for the checks that compare them with the calls of the clients. */
export interface StoreCalls {
  /** By value: only these calls can have stored it. Entries without a value are in `absences`. */
  readonly sets: ReadonlyMap<string, SetCall>;
  readonly absences: readonly SetCall[];
  /** By the initial value, of which each has its own. */
  readonly increments: ReadonlyMap<bigint, IncrementCall>;
  /** Touches that found an entry. */
  readonly touches: readonly TouchCall[];
}

/** What the judges know when a snapshot is written. */
export interface SavedStore {
  readonly moment: Moment;
  readonly truth: SavedTruth;
  readonly sourceVersions: ReadonlyMap<string, bigint>;
  /** The Sets and Increments whose request ids the store remembers. */
  readonly requests: ReadonlySet<string>;
}

export interface TappedStore extends Store {
  /** The store is written down. */
  save(): SavedStore;

  /** The id of the lease holder of the stream that was opened last. */
  readonly lastHolder: number;
  /** A stream of a lease holder is about to end. The network says so, whatever the server makes of it. */
  streamEnded(holder: number): void;
}

export interface Tap extends StoreCalls {
  /** `saved`: the store goes on with what it had then. */
  around(store: Store, nowMs: () => number, saved?: SavedStore): TappedStore;
  /** The start of each load, by the value that it returned. A Set or an invalidation since then voids its lease. */
  loadStarted(value: string, moment: Moment): void;
}

export function createTap(history: History, truth: Truth): Tap {
  const sets = new Map<string, SetCall>();
  const absences: SetCall[] = [];
  const increments = new Map<bigint, IncrementCall>();
  const touches: TouchCall[] = [];
  const loads = new Map<string, Moment>();

  function tapStore(store: Store, nowMs: () => number, saved: SavedStore | undefined): TappedStore {
    const grants = new Map<bigint, Grant>();
    const live = new Map<string, bigint>();
    const knownSourceVersions = new Map(saved?.sourceVersions);
    const storedRequests = new Set(saved?.requests);
    /** Answers that the store gave during the call, in their order, and that are not checked yet. */
    let settled: Settled[] = [];
    /** The leases at the begin of the call. A wait whose time was over by then ended before the call had an effect. */
    let liveBefore = new Map<string, bigint>();
    /** Leases that the end of a stream has ended, of which the store is told next. */
    const endedWithStream = new Map<string, bigint>();
    const grantedInCall = new Set<bigint>();
    /** By the id of a lease holder: how many streams it has. */
    const streamsOf = new Map<number, number>();
    let lastHolder = 0;

    const revisions = (): readonly number[] => store.shards().map((shard) => shard.revision);

    /**
     * A call first ends what was over before it. So it may grant leases that its own effect ends: the answers from before
     * its effect, which begins a revision, are checked before the truth records the effect.
     */
    function checkBeforeEffect(before: readonly number[]): void {
      const answers = settled;
      settled = [];
      for (const answer of answers) {
        const { asOf } = answer;
        if (asOf !== undefined && asOf.revision <= (before[asOf.shard] ?? 0)) answer.check();
        else settled.push(answer);
      }
    }

    const say = (what: string): Moment => history.note("store", what);
    const know = (key: string, sourceVersion: bigint): void => {
      const known = knownSourceVersions.get(key) ?? 0n;
      if (sourceVersion > known) knownSourceVersions.set(key, sourceVersion);
    };

    function checkRead(
      command: GetCommand | LeaseCommand,
      entry: EntryView | undefined,
      wantsStale: boolean,
    ): void {
      const spell = truth.current(command.key);
      const fresh = isFresh(spell, nowMs());
      const visible = fresh || (wantsStale && isKept(spell, nowMs()));
      const found = entry === undefined ? undefined : `${entry.version}${entry.stale ? " stale" : ""}`;
      const right = visible ? `${spell.held?.version}${fresh ? "" : " stale"}` : undefined;
      if (found !== right) {
        history.violate(
          "store-read",
          `${command.key} was read as ${found ?? "a miss"} but is ${right ?? "a miss"}`,
        );
      }
    }

    function liveLease(key: string): bigint | undefined {
      const token = live.get(key);
      const grant = token === undefined ? undefined : grants.get(token);
      return grant !== undefined && nowMs() < grant.endsAtMs ? token : undefined;
    }

    function answeredLease(command: LeaseCommand, result: LeaseResult, waited: boolean): void {
      const { key } = command;
      if (result.kind === "hit") {
        checkRead(command, result.entry, false);
        say(`lease ${key} -> hit ${result.entry.version}`);
        return;
      }
      if (result.kind === "held") {
        const held = waited ? liveBefore.has(key) : liveLease(key) !== undefined;
        if (!held) history.violate("lease-leaked", `the lease of ${key} has no holder`);
        say(`lease ${key} -> held, again in ${result.retryAfterMs} ms`);
        return;
      }
      // The call may have granted a lease and then ended it.
      const former = liveLease(key);
      if (former !== undefined && !grantedInCall.has(former)) {
        history.violate("lease-twice", `${key} was granted while another call held it`);
      }
      if (isFresh(truth.current(key), nowMs())) {
        history.violate("lease-on-fresh", `${key} was granted though it is fresh`);
      }
      const moment = say(`lease ${key} -> granted ${result.token} for ${result.leaseMs} ms`);
      const { holder = 0 } = command;
      grants.set(result.token, { holder, key, moment, endsAtMs: nowMs() + result.leaseMs });
      live.set(key, result.token);
      grantedInCall.add(result.token);
    }

    /** A loaded value may be stored only if nothing that it depends on has changed since the load began. */
    function checkFill(command: SetCommand, since: Moment, what: string): void {
      const { key, tags } = command;
      const overwritten = truth.current(key);
      if (overwritten.held !== undefined && overwritten.held.since.order > since.order) {
        history.violate("late-fill", `${what} of ${key} overwrote ${overwritten.held.value}, set meanwhile`);
      }
      const voided = truth.invalidations.findLast(
        (one) =>
          one.moment.order > since.order &&
          // The fences of an earlier life are gone, and so are its leases.
          matchesKey(one.target, key, tags),
      );
      if (voided !== undefined) {
        history.violate(
          "late-fill",
          `${what} of ${key} was stored after an invalidation (${describe(voided.target)}) at ${voided.moment.atMs} ms`,
        );
      }
    }

    /** A lease that nothing has ended is lost only by an invalidation of a tag of its Set. */
    function checkLost({ key, tags }: SetCommand, token: bigint | undefined): void {
      const granted = token === undefined ? undefined : grants.get(token)?.moment;
      const isVoided = truth.invalidations.some(
        (one) =>
          granted !== undefined && one.moment.order > granted.order && matchesKey(one.target, key, tags),
      );
      if (granted !== undefined && !isVoided) {
        history.violate("lease-lost", `the lease of ${key} from ${granted.atMs} ms was lost for no reason`);
      }
    }

    function set(command: SetCommand): ReturnType<Store["set"]> {
      const { key, condition, sourceVersion } = command;
      const value = decode(command);
      const asked = say(
        `asked to set ${key} = ${value ?? "absent"} (${condition.kind}) by ${command.writer.origin}`,
      );
      const known = value === undefined ? undefined : sets.get(value);
      const call: SetCall = known ?? { key, command, life: truth.life, asked: [], stored: undefined };
      call.asked.push(asked);
      if (value === undefined) absences.push(call);
      else sets.set(value, call);
      const token = condition.kind === "lease" ? condition.token : undefined;
      const held = liveLease(key);
      if (token !== undefined && held === token) live.delete(key);
      const before = revisions();
      const result = store.set(command);
      const request = `${key}/${command.requestId}`;
      if (result.kind === "notStored") {
        if (result.reason === "leaseLost" && held === token) checkLost(command, token);
        say(`set ${key} = ${value ?? "absent"} -> ${result.reason}`);
        return result;
      }
      checkBeforeEffect(before);
      const again = command.requestId !== 0n && storedRequests.has(request);
      const moment = say(
        `set ${key} = ${value ?? "absent"} -> stored ${result.version}${again ? " (again)" : ""}`,
      );
      if (again) {
        // It was answered as the first time, so it must have had no effect.
        const known = truth.spells(key).some((spell) => spell.held?.version === result.version);
        if (!known) history.violate("request-twice", `a retried Set of ${key} was stored twice`);
        return result;
      }
      if (command.requestId !== 0n) storedRequests.add(request);
      if (call.stored !== undefined) history.violate("request-twice", `a Set of ${key} was stored twice`);
      call.stored ??= { moment, version: result.version };
      if (token !== undefined) {
        const grant = grants.get(token);
        if (grant === undefined)
          history.violate("lease-unknown", `${key} was stored with a token never granted`);
        else if (held !== token)
          history.violate("lease-void", `${key} was stored with a lease that had ended`);
        if (grant !== undefined) checkFill(command, grant.moment, "a lease's fill");
      }
      const load = value === undefined ? undefined : loads.get(value);
      if (load !== undefined) checkFill(command, load, `the load ${value}`);
      const highest = knownSourceVersions.get(key) ?? 0n;
      if (sourceVersion > 0n && sourceVersion < highest) {
        history.violate(
          "source-version",
          `${key} took source version ${sourceVersion}, and ${highest} is known`,
        );
      }
      know(key, sourceVersion);
      live.delete(key);
      truth.stored(
        key,
        { value, version: result.version, sourceVersion, tags: command.tags },
        command,
        result.asOf.shard,
        moment,
      );
      return result;
    }

    function increment(command: IncrementCommand): IncrementResult {
      const { key, delta, initial, requestId } = command;
      const asked = say(`asked to add ${delta} to ${key} or ${initial} by ${command.writer.origin}`);
      const call: IncrementCall = increments.get(initial) ?? { key, command, asked: [], added: undefined };
      increments.set(initial, call);
      call.asked.push(asked);
      const before = revisions();
      const result = store.increment(command);
      if (result.kind === "notIncremented") {
        history.violate("store-count", `an Increment of ${key} was refused: ${result.reason}`);
        return result;
      }
      checkBeforeEffect(before);
      const request = `${key}/${requestId}`;
      const again = requestId !== 0n && storedRequests.has(request);
      const { value, version, created } = result;
      const moment = say(`add ${delta} to ${key} -> ${value}, ${version}${again ? " (again)" : ""}`);
      if (call.added !== undefined) {
        const isFirst = call.added.value === value && call.added.version === version;
        if (!again || !isFirst) history.violate("request-twice", `an Increment of ${key} has added twice`);
      }
      if (again) return result;
      if (requestId !== 0n) storedRequests.add(request);
      call.added ??= { moment, value, version };
      const { held, ...spell } = truth.current(key);
      const fresh = isFresh({ ...spell, held }, nowMs()) ? held?.value : undefined;
      const right = (fresh === undefined ? initial : BigInt(fresh)) + delta;
      if (value !== right || created !== (fresh === undefined)) {
        history.violate("store-count", `${key} was counted as ${value} but is ${right}`);
      }
      live.delete(key);
      const counted = { value: String(value), version, sourceVersion: 0n, tags: [] };
      if (created) truth.stored(key, counted, command, result.asOf.shard, moment);
      else truth.incremented(key, counted, result.asOf.shard, moment);
      return result;
    }

    function get(command: GetCommand, arena?: ValueArena): ReturnType<Store["get"]> {
      const result = store.get(command, arena);
      const entry = result.kind === "miss" ? undefined : result.entry;
      checkRead(command, entry, command.allowStale);
      say(`get ${command.key} -> ${result.kind} ${entry?.version ?? ""}`);
      return result;
    }

    function invalidate(command: InvalidateCommand): ReturnType<Store["invalidate"]> {
      const { target, soft } = command;
      const before = revisions();
      const result = store.invalidate(command);
      checkBeforeEffect(before);
      const moment = say(`${soft ? "soft " : ""}invalidate ${describe(target)} by ${command.writer.origin}`);
      for (const key of truth.keys) {
        // A tag voids the lease too, but the tags are known only with the Set.
        if (matchesKey(target, key, [])) live.delete(key);
        if (target.kind === "keys" && target.keys.includes(key)) know(key, command.sourceVersion);
      }
      truth.invalidated({ moment, ...command, origin: command.writer.origin }, (key) => {
        const shard = store.shardOf(command.namespace, key);
        return { shard, revision: (before[shard] ?? 0) + 1 };
      });
      return result;
    }

    function touch(command: TouchCommand): ReturnType<Store["touch"]> {
      const result = store.touch(command);
      const { key, ttlMs, staleMs, writer } = command;
      const moment = say(`touch ${key} -> ${result.touched}`);
      if (isFresh(truth.current(key), nowMs()) !== result.touched) {
        history.violate("store-read", `a touch of ${key} answered ${result.touched}`);
      }
      if (result.touched) {
        touches.push({ key, ttlMs, staleMs, origin: writer.origin, moment });
        truth.touched(key, command, result.asOf, moment);
      }
      return result;
    }

    function lease(
      command: LeaseCommand,
      settle: ((result: LeaseResult) => void) | undefined,
    ): ReturnType<Store["lease"]> {
      const result =
        settle === undefined
          ? store.lease(command)
          : store.lease(command, (answer) => {
              settled.push({ asOf: answer.asOf, check: () => answeredLease(command, answer, true) });
              settle(answer);
            });
      // Recorded after the waiters that the call itself promoted.
      const asOf = result.kind === "waiting" ? undefined : result.asOf;
      const check = (): void => {
        if (result.kind !== "waiting") answeredLease(command, result, false);
        else {
          say(`lease ${command.key} -> waits`);
          if (liveLease(command.key) === undefined) {
            history.violate("lease-leaked", `a call waits for ${command.key}, which nobody holds`);
          }
        }
      };
      settled.push({ asOf, check });
      return result;
    }

    function release(namespace: string, key: string, token: bigint): ReturnType<Store["release"]> {
      if (liveLease(key) === token) live.delete(key);
      say(`release ${key} ${token}`);
      return store.release(namespace, key, token);
    }

    function openHolder(predecessor: bigint): LeaseHolder {
      const holder = store.openHolder(predecessor);
      const streams = (streamsOf.get(holder.id) ?? 0) + 1;
      streamsOf.set(holder.id, streams);
      lastHolder = holder.id;
      say(`stream ${streams} of lease holder ${holder.id} begins`);
      return holder;
    }

    /** The leases of a holder end with the last of its streams, and not before. */
    function streamEnded(holder: number): void {
      const streams = (streamsOf.get(holder) ?? 0) - 1;
      streamsOf.set(holder, streams);
      say(`lease holder ${holder} has ${streams} streams left`);
      for (const [key, token] of streams > 0 ? [] : live) {
        if (grants.get(token)?.holder !== holder) continue;
        live.delete(key);
        endedWithStream.set(key, token);
      }
    }

    const checked = <Result>(run: () => Result): Result => {
      liveBefore = new Map([...endedWithStream, ...live]);
      endedWithStream.clear();
      grantedInCall.clear();
      const result = run();
      const answers = settled;
      settled = [];
      for (const { check } of answers) check();
      return result;
    };

    return {
      save: () => ({
        moment: say("is written down"),
        truth: truth.save(revisions()),
        sourceVersions: new Map(knownSourceVersions),
        requests: new Set(storedRequests),
      }),
      epoch: store.epoch,
      predecessors: store.predecessors,
      shardCount: store.shardCount,
      counters: store.counters,
      shardOf: (namespace, key) => store.shardOf(namespace, key),
      shards: () => store.shards(),
      namespaces: () => store.namespaces(),
      boundNamespaces: (bounds) => store.boundNamespaces(bounds),
      subscribe: (selectors, cursor, wake) => store.subscribe(selectors, cursor, wake),
      maintain: (maxEntries) => checked(() => store.maintain(maxEntries)),
      get: (command) => checked(() => get(command)),
      inspect: (namespace, key) => store.inspect(namespace, key),
      listKeys(command) {
        const result = store.listKeys(command);
        checkPage(history, truth, command, result.keys, nowMs());
        return result;
      },
      set: (command) => checked(() => set(command)),
      invalidate: (command) => checked(() => invalidate(command)),
      touch: (command) => checked(() => touch(command)),
      increment: (command) => checked(() => increment(command)),
      lease: (command, settle) => checked(() => lease(command, settle)),
      release: (namespace, key, token) => checked(() => release(namespace, key, token)),
      createHolder: () => store.createHolder(),
      openHolder,
      closeHolder: (holder) => checked(() => store.closeHolder(holder)),
      get lastHolder() {
        return lastHolder;
      },
      streamEnded,
    };
  }

  return {
    sets,
    absences,
    increments,
    touches,
    loadStarted: (value, moment) => loads.set(value, moment),
    around(store, nowMs, saved) {
      const { epoch } = store;
      if (saved === undefined) {
        truth.restarted(epoch, history.note("store", `life ${truth.life + 1} begins, epoch ${epoch}`));
      } else {
        truth.resumed(epoch, history.note("store", `epoch ${epoch} begins with a snapshot`), saved.truth);
      }
      return tapStore(store, nowMs, saved);
    },
  };
}

const isFresh = (spell: Spell, nowMs: number): boolean =>
  spell.held !== undefined && !spell.soft && nowMs < spell.freshUntilMs;
const isKept = (spell: Spell, nowMs: number): boolean =>
  spell.held !== undefined && nowMs < spell.staleUntilMs;

export const describe = (target: Parameters<typeof matchesKey>[0]): string => {
  switch (target.kind) {
    case "keys":
      return `keys ${target.keys.join(" ")}`;
    case "tags":
      return `tags ${target.tags.join(" ")}`;
    case "prefix":
      return `prefix ${target.prefix}`;
    case "all":
      return "all";
    default:
      return target satisfies never;
  }
};
