/** Runs random commands on a store and on the naive store, and expects the same of both after every one. */
import { isDeepStrictEqual } from "node:util";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import type {
  EntryView,
  IncrementCommand,
  LeaseResult,
  LeaseWait,
  Selector,
  SetCommand,
  SetCondition,
  Store,
  StoreEvent,
  Subscriber,
} from "../../src/store/api/store.ts";
import type { StoreOptions } from "../../src/store/engine/create-store.ts";
import { matches } from "../../src/store/events/selectors.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { NaiveStore } from "../support/naive-store.ts";
import { commandLists, type StoreCommand } from "../support/store-commands.ts";

const noWriter = { origin: "", traceparent: "" };

export interface ModelRuns {
  readonly runs: number;
  readonly commandsPerRun: number;
  /** Ends the process of a store, and goes on with all that the store has in another one, with this clock. */
  readonly restart?: (store: Store, clock: ManualClock, next: ManualClock) => Store;
}

const RESTARTS_MAX = 3;

/** Registers the test: `create` makes the store under test with the given clock, rng and shards. */
export function storeFollowsModel(
  create: (options: Partial<StoreOptions>) => Store,
  { runs, commandsPerRun, restart }: ModelRuns,
): void {
  const title = `answers ${runs} runs of ${commandsPerRun} random commands as the naive store does`;
  it(title, { timeout: 120_000 }, () => {
    const seen = new Map<string, number>();
    const scenario = fc.property(
      fc.integer({ min: 1, max: 3 }),
      fc.nat(),
      commandLists(commandsPerRun),
      fc.array(fc.nat(commandsPerRun), { maxLength: RESTARTS_MAX }),
      (shards, seed, commands, restarts) => {
        const run = new ModelRun(create, shards, seed, seen);
        for (const [index, command] of commands.entries()) {
          if (restart !== undefined && restarts.includes(index)) run.restart(restart);
          run.do(command);
        }
        run.finish();
      },
    );
    // fast-check prints the seed, the path and the shrunk commands of a failure.
    fc.assert(scenario, { numRuns: runs, ...seedFromEnvironment() });
    // A store that was never asked has not answered.
    for (const outcome of outcomes) expect(seen.get(outcome) ?? 0, outcome).toBeGreaterThan(runs / 10);
  });
}

/** `FC_SEED` replays what a failure printed. */
function seedFromEnvironment(): { seed: number } | undefined {
  const seed = process.env.FC_SEED;
  return seed === undefined ? undefined : { seed: Number(seed) };
}

const outcomes = [
  ...["get hit", "get stale hit", "get miss", "get notModified"],
  ...[
    "set stored",
    "set stored by lease",
    "set exists",
    "set absent",
    "set versionMismatch",
    "set leaseLost",
  ],
  ...[
    "set olderSourceVersion",
    "set answered again",
    "incremented",
    "incremented anew",
    ...["increment exists", "increment absent", "increment versionMismatch"],
    ...["increment notACounter", "increment overflow", "increment answered again"],
    "touched true",
    "touched false",
    "removed 0",
    "removed 1",
  ],
  ...["lease hit", "lease granted", "lease held", "lease waiting", "released true", "released false"],
  ...["settled hit", "settled granted", "settled held", "read"],
];

interface Grant {
  readonly namespace: string;
  readonly key: string;
  readonly real: bigint;
  readonly naive: bigint;
}

interface Wait {
  readonly namespace: string;
  readonly key: string;
  readonly wait: LeaseWait;
}

/** A subscriber of the real store and how far its events were read, by shard. */
interface Follower {
  readonly selector: Selector;
  readonly subscriber: Subscriber;
  readonly read: number[];
}

interface Bookmark {
  readonly selector: Selector;
  readonly cursor: Uint8Array;
  readonly read: readonly number[];
}

class ModelRun {
  #clock = new ManualClock();
  #store: Store;
  /** Of this store and of those that it continues. */
  readonly #epochs: bigint[] = [];
  readonly #naive: NaiveStore;
  readonly #shards: number;
  readonly #grants: Grant[] = [];
  readonly #waits: Wait[] = [];
  readonly #settled = new Map<number, LeaseResult>();
  readonly #followers: Follower[] = [];
  readonly #bookmarks: Bookmark[] = [];
  readonly #seen: Map<string, number>;
  readonly #views: { readonly view: EntryView; readonly bytes: string }[] = [];

  constructor(
    create: (options: Partial<StoreOptions>) => Store,
    shards: number,
    seed: number,
    seen: Map<string, number>,
  ) {
    this.#shards = shards;
    this.#seen = seen;
    this.#store = create({ shards, clock: this.#clock, rng: createSeededRng(seed) });
    const shardOf = (namespace: string, key: string): number => this.#store.shardOf(namespace, key);
    this.#epochs.push(this.#store.epoch);
    this.#naive = new NaiveStore(this.#store.epoch, shards, shardOf, this.#clock.nowMs());
  }

  do(command: StoreCommand): void {
    const store = this.#store;
    const naive = this.#naive;
    switch (command.do) {
      case "get": {
        const { known } = command;
        const ifVersion = known === "nothing" ? 0 : this.#versionOf(command.namespace, command.key);
        const epochs = { nothing: 0n, version: this.#epochOf(ifVersion), versionOfNoEpoch: 0n };
        const ifEpoch = known === "versionOfAnotherEpoch" ? store.epoch + 1n : epochs[known];
        const get = { ...command, ifVersion, ifEpoch };
        const real = store.get(get);
        this.#saw(`get ${real.kind === "hit" && real.entry.stale ? "stale hit" : real.kind}`);
        if (real.kind === "hit") this.#keep(real.entry);
        same(real, naive.get(get));
        break;
      }
      case "set":
        this.#set(command);
        break;
      case "touch": {
        const touch = { ...command, writer: { origin: "toucher", traceparent: "" } };
        const real = store.touch(touch);
        this.#saw(`touched ${real.touched}`);
        same(real, naive.touch(touch));
        break;
      }
      case "increment":
        this.#increment(command);
        break;
      case "invalidateKeys":
        this.#invalidate(command, { kind: "keys", keys: command.keys }, command.sourceVersion);
        break;
      case "invalidateTags":
        this.#invalidate(command, { kind: "tags", tags: command.tags }, 0n);
        break;
      case "invalidatePrefix": {
        const { prefix } = command;
        this.#invalidate(command, prefix === undefined ? { kind: "all" } : { kind: "prefix", prefix }, 0n);
        break;
      }
      case "lease":
        this.#lease(command);
        break;
      case "release": {
        const grant = this.#grants[command.pick % this.#grants.length];
        if (grant === undefined) break;
        const { namespace, key } = grant;
        const real = store.release(namespace, key, grant.real);
        this.#saw(`released ${real.released}`);
        same(real, naive.release(namespace, key, grant.naive));
        break;
      }
      case "cancel": {
        const id = command.pick % this.#waits.length;
        this.#waits[id]?.wait.cancel();
        naive.cancel(id);
        break;
      }
      case "advance":
        this.#clock.advance(command.byMs);
        store.maintain(0);
        naive.advance(command.byMs);
        break;
      case "maintain":
        store.maintain(command.maxEntries);
        break;
      case "subscribe":
        this.#follow({ namespace: command.namespace, prefixes: command.prefixes });
        break;
      case "resume": {
        const bookmark = this.#bookmarks[command.pick % this.#bookmarks.length];
        if (bookmark === undefined) break;
        const subscriber = store.subscribe([bookmark.selector], bookmark.cursor, () => {});
        this.#followers.push({ selector: bookmark.selector, subscriber, read: [...bookmark.read] });
        break;
      }
      case "read": {
        const follower = this.#followers[command.pick % this.#followers.length];
        if (follower !== undefined) this.#read(follower, command.maxEvents);
        break;
      }
      case "nothing":
        break;
      default:
        command satisfies never;
    }
    this.#compareSettled();
  }

  /** Subscribers come back with their cursors, and callers with their versions. Leases are gone. */
  restart(restart: NonNullable<ModelRuns["restart"]>): void {
    const pauseMs = 700;
    const next = this.#clock.restarted(5, pauseMs);
    this.#store = restart(this.#store, this.#clock, next);
    this.#clock = next;
    expect(this.#epochs).not.toContain(this.#store.epoch);
    expect(this.#store.predecessors.map(({ epoch }) => epoch)).toEqual(this.#epochs.toReversed());
    this.#epochs.push(this.#store.epoch);
    this.#naive.advance(pauseMs);
    this.#naive.settled.clear();
    this.#naive.continueAs(this.#store.epoch);
    for (const [index, { selector, subscriber, read }] of this.#followers.entries()) {
      const resumed = this.#store.subscribe([selector], subscriber.cursor(), () => {});
      this.#followers[index] = { selector, subscriber: resumed, read };
    }
    this.#saw("restarted");
  }

  /** Any of those in which a version may have been read. */
  #epochOf(pick: number): bigint {
    return this.#epochs[pick % this.#epochs.length] ?? 0n;
  }

  /** Everything must be readable to the end, and everything read must still be what it was. */
  finish(): void {
    for (const follower of this.#followers) {
      while (this.#read(follower, 7));
      expect(follower.subscriber.behind()).toBe(false);
      expect(follower.subscriber.lag()).toBe(0);
    }
    for (const { view, bytes } of this.#views) expect(Buffer.from(view.value).toString("hex")).toBe(bytes);
    const { counters } = this.#store;
    const ended =
      counters.leasesFilled + counters.leasesLost + counters.leasesExpired + counters.leasesReleased;
    expect(counters.leasesGranted - ended).toBe(this.#naive.leases.length);
    expect(this.#store.shards().map((shard) => shard.bytes <= shard.budgetBytes)).not.toContain(false);
  }

  #set(command: Extract<StoreCommand, { do: "set" }>): void {
    const { namespace, key } = command;
    const version = this.#versionOf(namespace, key);
    const leased = this.#grants.filter((grant) => grant.namespace === namespace && grant.key === key);
    // Mostly the latest lease of the key, now and then a former one.
    const grant = leased.at(command.pick % 4 === 0 ? command.pick % leased.length : -1);
    const condition = (token: bigint | undefined): SetCondition => {
      switch (command.condition) {
        case "ifVersion":
          return {
            kind: "ifVersion",
            version,
            epoch: command.pick % 2 === 0 ? 0n : this.#epochOf(command.pick),
          };
        case "badEpoch":
          return { kind: "ifVersion", version, epoch: this.#store.epoch + 1n };
        case "lease":
          return { kind: "lease", token: token ?? 99n };
        default:
          return { kind: command.condition };
      }
    };
    const absent = command.value === 0;
    const set: SetCommand = {
      ...command,
      value: storedBytes(command.value),
      absent,
      contentType: command.pick % 2 === 0 ? "" : "text/plain",
      contentEncoding: command.pick % 3 === 0 && !absent ? "gzip" : "",
      condition: condition(grant?.naive),
      writer: { origin: `writer-${command.value}`, traceparent: "" },
    };
    const value = Buffer.from(set.value);
    const setsBefore = this.#store.counters.sets + this.#store.counters.setsRefused;
    const real = this.#store.set({ ...set, value, condition: condition(grant?.real) });
    // What the store keeps must not be what the caller gave.
    value.fill(0xee);
    const refused = real.kind === "notStored" && real.reason === "olderSourceVersion";
    if (setsBefore === this.#store.counters.sets + this.#store.counters.setsRefused) {
      this.#saw("set answered again");
    } else if (real.kind === "notStored") this.#saw(`set ${real.reason}`);
    else this.#saw(command.condition === "lease" ? "set stored by lease" : "set stored");
    same(real, this.#naive.set(set, refused));
  }

  #increment(command: Extract<StoreCommand, { do: "increment" }>): void {
    const { namespace, key, condition: kind, pick } = command;
    const version = this.#versionOf(namespace, key);
    const epoch = pick % 2 === 0 ? 0n : this.#epochOf(pick);
    const condition: IncrementCommand["condition"] =
      kind === "ifVersion"
        ? { kind, version, epoch }
        : kind === "badEpoch"
          ? { kind: "ifVersion", version, epoch: this.#store.epoch + 1n }
          : { kind };
    const increment = { ...command, condition, writer: { origin: "counter", traceparent: "" } };
    const { counters } = this.#store;
    const before = counters.sets + counters.setsRefused;
    const real = this.#store.increment(increment);
    if (before === counters.sets + counters.setsRefused) this.#saw("increment answered again");
    else if (real.kind === "notIncremented") this.#saw(`increment ${real.reason}`);
    else this.#saw(real.created ? "incremented anew" : "incremented");
    same(real, this.#naive.increment(increment));
  }

  /** The entry's, or that of some other one. */
  #versionOf(namespace: string, key: string): number {
    return this.#naive.versionOf(namespace, key) ?? 1;
  }

  #invalidate(
    { namespace, soft }: { readonly namespace: string; readonly soft: boolean },
    target: Parameters<Store["invalidate"]>[0]["target"],
    sourceVersion: bigint,
  ): void {
    const invalidate = { namespace, soft, target, sourceVersion, writer: noWriter };
    const real = this.#store.invalidate(invalidate);
    this.#saw(`removed ${real.removed}`);
    same(real, this.#naive.invalidate(invalidate));
  }

  #lease(command: Extract<StoreCommand, { do: "lease" }>): void {
    const { namespace, key } = command;
    const id = this.#waits.length;
    const real = this.#store.lease(command, (result) => {
      expect(this.#settled.has(id), "settles once").toBe(false);
      this.#settled.set(id, result);
    });
    const naive = this.#naive.lease(command, id);
    this.#saw(`lease ${real.kind}`);
    if (real.kind === "waiting") {
      this.#waits.push({ namespace, key, wait: real });
      expect(naive).toBeUndefined();
    } else {
      this.#sameLease(namespace, key, real, naive);
    }
  }

  /** The same but for the token, which is noted. */
  #sameLease(namespace: string, key: string, real: LeaseResult, naive: LeaseResult | undefined): void {
    if (real.kind !== "granted" || naive?.kind !== "granted") {
      same(real, naive);
      return;
    }
    same({ ...real, token: naive.token }, naive);
    this.#grants.push({ namespace, key, real: real.token, naive: naive.token });
  }

  #compareSettled(): void {
    if (this.#settled.size === 0 && this.#naive.settled.size === 0) return;
    const byId = (left: number, right: number): number => left - right;
    expect([...this.#settled.keys()].sort(byId)).toEqual([...this.#naive.settled.keys()].sort(byId));
    for (const [id, real] of this.#settled) {
      const { namespace, key } = this.#waits[id] ?? { namespace: "", key: "" };
      this.#saw(`settled ${real.kind}`);
      this.#sameLease(namespace, key, real, this.#naive.settled.get(id));
    }
    this.#settled.clear();
    this.#naive.settled.clear();
  }

  #follow(selector: Selector): void {
    const read = Array.from({ length: this.#shards }, (_, shard) => this.#matching(selector, shard).length);
    const subscriber = this.#store.subscribe([selector], new Uint8Array(), () => {});
    this.#followers.push({ selector, subscriber, read });
  }

  /** Reads once; false when there was nothing. */
  #read(follower: Follower, maxEvents: number): boolean {
    const { subscriber, selector, read } = follower;
    const real = subscriber.read(maxEvents, 1 << 20);
    if (real === undefined) {
      for (let shard = 0; shard < this.#shards; shard++) {
        expect(this.#matching(selector, shard).length).toBe(read[shard]);
      }
      return false;
    }
    if (real.kind === "gap") throw new Error(`a gap where no event was dropped: ${real.reason}`);
    for (const event of real.events) {
      const next = read[event.shard] ?? 0;
      same(event, this.#matching(selector, event.shard)[next]);
      read[event.shard] = next + 1;
    }
    for (let shard = 0; shard < this.#shards; shard++) {
      const [last, next] = this.#matching(selector, shard).slice(Math.max(0, (read[shard] ?? 0) - 1));
      const isSplit = real.events.some((event) => event === last) && last?.revision === next?.revision;
      expect(isSplit, "events of one revision are read together").toBe(false);
    }
    this.#saw("read");
    this.#bookmarks.push({ selector, cursor: real.cursor, read: [...read] });
    return true;
  }

  #matching(selector: Selector, shard: number): StoreEvent[] {
    return this.#naive.events.filter((event) => event.shard === shard && matches(selector, event));
  }

  #saw(outcome: string): void {
    this.#seen.set(outcome, (this.#seen.get(outcome) ?? 0) + 1);
  }

  #keep(view: EntryView): void {
    this.#views.push({ view, bytes: Buffer.from(view.value).toString("hex") });
  }
}

function storedBytes(value: number | string): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return value === 0 ? new Uint8Array() : new Uint8Array([value, 0, 255]);
}

/** `toEqual` only to say what differs: it is slow. */
function same(real: unknown, naive: unknown): void {
  if (!isDeepStrictEqual(real, naive)) expect(real).toEqual(naive);
}
