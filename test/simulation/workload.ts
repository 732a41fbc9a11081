/**
 * The programs that run in the clients. They use two kinds of keys in one namespace. "user:*" come from the
 * origin: they are loaded by getOrLoad, and written by a commit to the origin and then an invalidation (or a
 * Set with a source version). "note:*" exist in the cache alone: they are set, compared and set, touched and
 * invalidated. "count:*" are counters, which are incremented and invalidated. Now and then they list the keys.
 */
import { QueuedInvalidationError } from "../../src/client/api/queued-invalidation-error.ts";
import type { Entry, KeyFacts, OutageMark } from "../../src/client/api/results.ts";
import type { Rng } from "../../src/common/random.ts";
import type { ClientLife } from "./client-node.ts";
import type { History, Moment } from "./history.ts";
import type { Judge } from "./judge.ts";
import type { ListJudge } from "./list-judge.ts";
import type { LoadJudge } from "./load-judge.ts";
import type { ClientOperation, Operations } from "./operations.ts";
import { type Origin, type Row, rowValue } from "./origin.ts";
import { between, chance, type Plan, pick, rngFor } from "./plan.ts";
import type { Queued, QueueJudge } from "./queue-judge.ts";
import type { Tap } from "./tapped-store.ts";
import { type Invalidation, matchesKey, type Truth } from "./truth.ts";
import type { Observed } from "./witness.ts";

export const originKeys = ["user:1", "user:2", "user:22"] as const;
export const noteKeys = ["note:1", "note:2"] as const;
export const counterKeys = ["count:1"] as const;
export const allKeys: readonly string[] = [...originKeys, ...noteKeys, ...counterKeys];
/** This origin key is written with source versions, the others by invalidation. */
export const VERSIONED_KEY = "user:1";
const noteTags = ["red", "blue"];
const prefixes = ["user:", "user:2", "note:", "note:1", "count:"];
/** So many sums lie between the initial values of two Increments, and no sum occurs twice. */
const COUNTER_STEP = 1_000_000n;
/** Every entry of an origin key has this tag, so that writers can invalidate by tag. */
export const tagsOf = (key: string): readonly string[] => [`row-${key}`, "users"];

export interface WorkloadDeps {
  readonly plan: Plan;
  readonly rng: Rng;
  readonly history: History;
  readonly truth: Truth;
  readonly tap: Tap;
  readonly judge: Judge;
  readonly loadJudge: LoadJudge;
  readonly listJudge: ListJudge;
  readonly queueJudge: QueueJudge;
  readonly origin: Origin;
  readonly operations: Operations;
}

export interface Workload {
  /** One program in a client. It works until `stopped`, and then completes what it has begun. */
  run(client: ClientLife, stopped: () => boolean): Promise<void>;
  /** Reads once and checks the result. Resolves to the entry, or to undefined when the read failed. */
  readEntry(client: ClientLife, key: string, options?: ReadChoice): Promise<Entry<string> | undefined>;
  getOrLoad(client: ClientLife, key: string): Promise<void>;
}

interface ReadChoice {
  readonly allowStale?: boolean;
  readonly maxStalenessMs?: number;
}

export function createWorkload(deps: WorkloadDeps): Workload {
  const { plan, rng, history, truth, tap, judge, loadJudge, listJudge, queueJudge, origin, operations } =
    deps;
  let serial = 0;
  const nextSerial = (): number => {
    serial += 1;
    return serial;
  };
  const counting = rngFor(plan.seed, 14);
  const listing = rngFor(plan.seed, 15);
  const touchesOf = new Map<string, number>();
  /** Each Touch of a client has a TTL of its own, by which its effect is told from that of another one under way. */
  const nextTouchOf = ({ name }: ClientLife): number => {
    const touches = touchesOf.get(name) ?? 0;
    touchesOf.set(name, touches + 1);
    return touches;
  };
  const lastRead = new Map<string, { readonly entry: Entry<string>; readonly observed: Observed }>();

  function observe(key: string, entry: Entry<string>): Observed {
    if (entry.kind === "miss") return { kind: "miss" };
    const { stale, version } = entry;
    if (entry.kind === "hit") return { kind: "value", value: entry.value, stale };
    const life = version === undefined ? undefined : truth.lifeOf(version.epoch);
    return { kind: "absent", key, stale, version: version?.revision ?? 0, life: life ?? -1 };
  }

  /** How long a near copy may be out of date. What is served in an outage is served by explicit choice alone. */
  function maxAgeMs({ outage }: OutageMark): number {
    if (!outage) return plan.leaseMs;
    if (plan.outageTtlMs === 0) history.violate("outage-choice", "a copy is served though nobody chose that");
    return plan.outageTtlMs;
  }

  // ---- Reads ---------------------------------------------------------------------------------------------

  async function readEntry(
    client: ClientLife,
    key: string,
    options: ReadChoice = {},
  ): Promise<Entry<string> | undefined> {
    const call = history.note(client.name, `reads ${key} ${describeChoice(options)}`);
    const setBackMs = client.process.unknownSetBackMs(plan.pingMs);
    const floorAtCall = judge.floorOf(client.name, key);
    const operation = operations.add({
      kind: "get",
      client: client.name,
      key,
      call,
      returned: undefined,
      observed: undefined,
      remote: false,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "get" }>);
    try {
      const entry = await client.entries.entry(key, options);
      const observed = observe(key, entry);
      const returned = history.note(client.name, `read ${key} = ${show(entry)} (${entry.source})`);
      operation.returned = returned;
      operation.observed = observed;
      operation.remote = entry.source === "remote";
      const source = entry.source === "near" ? "near" : "remote";
      const longestMs = maxAgeMs(entry);
      const maxStalenessMs = Math.min(longestMs, options.maxStalenessMs ?? longestMs);
      loadJudge.value({
        client: client.name,
        key,
        observed,
        call,
        returned,
        source,
        maxAgeMs: longestMs,
        setBackMs,
      });
      if (isOutageLoad(entry)) return entry;
      const floor = queueJudge.read(client.name, key, observed, call, returned, floorAtCall);
      const outage = entry.outage && { ageMs: entry.copyAgeMs };
      judge.read({
        reader: client.name,
        key,
        source,
        observed,
        call,
        returned,
        floor,
        maxStalenessMs,
        setBackMs,
        outage,
      });
      if (!(entry.kind !== "miss" && entry.stale)) lastRead.set(`${client.name}/${key}`, { entry, observed });
      return entry;
    } catch (error) {
      history.note(client.name, `could not read ${key}: ${reasonOf(error)}`);
      return undefined;
    }
  }

  async function readMany(client: ClientLife): Promise<void> {
    const keys = allKeys.filter(() => chance(rng, 0.6));
    const call = history.note(client.name, `reads ${keys.join(" ")}`);
    const setBackMs = client.process.unknownSetBackMs(plan.pingMs);
    const floors = keys.map((key) => judge.floorOf(client.name, key));
    try {
      const outcomes = await client.entries.getMany(keys);
      const returned = history.note(client.name, `read ${outcomes.map((one) => one.kind).join(" ")}`);
      keys.forEach((key, index) => {
        const outcome = outcomes[index];
        const floorAtCall = floors[index];
        // An outcome has no version, so an absence cannot be told from an earlier or later one.
        if (outcome === undefined || floorAtCall === undefined || outcome.kind === "absent") return;
        const observed: Observed =
          outcome.kind === "hit" ? { kind: "value", value: outcome.value, stale: false } : { kind: "miss" };
        const longestMs = maxAgeMs(outcome);
        const { name } = client;
        loadJudge.value({
          client: name,
          key,
          observed,
          call,
          returned,
          source: "near",
          maxAgeMs: longestMs,
          setBackMs,
        });
        // What was loaded in the outage was never in the store.
        const isOutageCopy = outcome.kind === "miss" || tap.sets.get(outcome.value)?.stored !== undefined;
        if (outcome.outage && !isOutageCopy) return;
        const floor = queueJudge.read(client.name, key, observed, call, returned, floorAtCall);
        const maxStalenessMs = longestMs;
        judge.read({
          reader: client.name,
          key,
          source: "either",
          observed,
          call,
          returned,
          floor,
          maxStalenessMs,
          setBackMs,
        });
      });
    } catch (error) {
      history.note(client.name, `could not read: ${reasonOf(error)}`);
    }
  }

  async function getOrLoad(client: ClientLife, key: string): Promise<void> {
    const call = history.note(client.name, `gets or loads ${key}`);
    const setBackMs = client.process.unknownSetBackMs(plan.pingMs);
    const floorAtCall = judge.floorOf(client.name, key);
    const options = {
      tags: tagsOf(key),
      hardTimeoutMs: 400,
      waitMs: 1_500,
      softTimeoutMs: pick(rng, [0, 0, 30]),
    };
    try {
      const entry = await client.entries.entry(key, { ...options, loader: () => load(client, key) });
      const observed = observe(key, entry);
      const returned = history.note(client.name, `got or loaded ${key} = ${show(entry)} (${entry.source})`);
      const fromCache = entry.source !== "loader" && !isOutageLoad(entry);
      const floor = fromCache
        ? queueJudge.read(client.name, key, observed, call, returned, floorAtCall)
        : floorAtCall;
      if (entry.source === "near" && fromCache) {
        const { name: reader } = client;
        judge.read({
          reader,
          key,
          source: "near",
          observed,
          call,
          returned,
          floor,
          maxStalenessMs: maxAgeMs(entry),
          outage: entry.outage && { ageMs: entry.copyAgeMs },
          setBackMs,
        });
      }
      const { source } = entry;
      loadJudge.value({
        client: client.name,
        key,
        observed,
        call,
        returned,
        source,
        maxAgeMs: maxAgeMs(entry),
        setBackMs,
      });
    } catch (error) {
      history.note(client.name, `could not load ${key}: ${reasonOf(error)}`);
    }
  }

  async function load(client: ClientLife, key: string): Promise<string | undefined> {
    const name = `load${nextSerial()}`;
    const begun = history.note(client.name, `begins ${name} of ${key}`);
    const slow = chance(rng, 0.05);
    await client.process.sleep(between(rng, 0, plan.loadMs));
    const row = origin.read(key);
    const value = rowValue(row, name);
    tap.loadStarted(value, begun);
    loadJudge.loaded(value, client.name, begun);
    await client.process.sleep(slow ? 600 : between(rng, 0, plan.loadMs));
    if (chance(rng, 0.05)) throw new Error(`${name} failed on purpose`);
    history.note(client.name, `${name} has ${row.deleted ? "nothing" : value}`);
    return row.deleted ? undefined : value;
  }

  /** In small pages, so that others write between them. */
  async function list(client: ClientLife): Promise<void> {
    const prefix = pick(listing, ["", "", "user:", "note:"]);
    const pageKeys = pick(listing, [1, 1, 2, 500]);
    const call = history.note(client.name, `lists "${prefix}" in pages of ${pageKeys}`);
    const keys: KeyFacts[] = [];
    try {
      const options = prefix === "" ? { pageKeys } : { prefix, pageKeys };
      for await (const one of client.entries.keys(options)) keys.push(one);
      const names = keys.map(({ key, version }) => `${key} v${version.revision}`);
      const returned = history.note(client.name, `listed ${names.join(" ")}`);
      listJudge.listed({ client: client.name, prefix, keys, call, returned });
    } catch (error) {
      history.note(client.name, `could not list: ${reasonOf(error)}`);
    }
  }

  // ---- Writes --------------------------------------------------------------------------------------------

  async function setNote(client: ClientLife, key: string, deadlineMs?: number): Promise<void> {
    const value = `${key}=${nextSerial()}`;
    const last = lastRead.get(`${client.name}/${key}`);
    const when = pick(rng, ["always", "always", "absent", "present", "version"] as const);
    const version = last !== undefined && last.entry.kind !== "miss" ? last.entry.version : undefined;
    const condition =
      when === "absent"
        ? ("ifAbsent" as const)
        : when === "present"
          ? ("ifPresent" as const)
          : when === "version" && version !== undefined && last !== undefined
            ? { observed: last.observed }
            : ("always" as const);
    const call = history.note(
      client.name,
      `sets ${value} (${typeof condition === "string" ? condition : "ifVersion"})`,
    );
    const operation = operations.add({
      kind: "set",
      client: client.name,
      key,
      value,
      condition,
      call,
      returned: undefined,
      answer: undefined,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "set" }>);
    try {
      const outcome = await client.entries.set(key, value, {
        // With a short deadline, so that the write fails while earlier reads are still under way.
        ...(chance(rng, 0.2) ? { deadlineMs: between(rng, 5, 100) } : {}),
        ...(deadlineMs === undefined ? {} : { deadlineMs }),
        tags: noteTags.filter(() => chance(rng, 0.5)),
        ...(condition === "ifAbsent" ? { when: "absent" } : {}),
        ...(condition === "ifPresent" ? { when: "present" } : {}),
        ...(typeof condition === "object" && version !== undefined ? { when: version } : {}),
      });
      operation.answer = outcome.kind === "stored" ? "stored" : outcome.reason;
      operation.returned = history.note(client.name, `set ${value}: ${operation.answer}`);
      if (outcome.kind === "stored") {
        lastRead.set(`${client.name}/${key}`, {
          entry: { kind: "miss", source: "remote", copyAgeMs: 0 },
          observed: { kind: "value", value, stale: false },
        });
      }
    } catch (error) {
      history.note(client.name, `does not know whether it set ${value}: ${reasonOf(error)}`);
    }
    ownWrite(client, key, tap.sets.get(value)?.stored?.moment);
  }

  async function increment(client: ClientLife, key: string): Promise<void> {
    const initial = BigInt(nextSerial()) * COUNTER_STEP;
    const delta = pick(counting, [1n, 1n, 2n, 7n]);
    const call = history.note(client.name, `adds ${delta} to ${key}, or to ${initial}`);
    const operation = operations.add({
      kind: "increment",
      client: client.name,
      key,
      delta,
      initial,
      call,
      returned: undefined,
      answer: undefined,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "increment" }>);
    try {
      const deadline = chance(counting, 0.2) ? { deadlineMs: between(counting, 5, 100) } : {};
      const outcome = await client.entries.increment(key, delta, { initial, ...deadline });
      if (outcome.kind === "refused") throw new Error(`it was refused: ${outcome.reason}`);
      operation.answer = outcome.value;
      operation.returned = history.note(client.name, `added to ${key}: ${outcome.value}`);
    } catch (error) {
      history.note(client.name, `does not know whether it added to ${key}: ${reasonOf(error)}`);
    }
    ownWrite(client, key, tap.increments.get(initial)?.added?.moment);
  }

  async function touch(client: ClientLife, key: string): Promise<void> {
    const call = history.note(client.name, `touches ${key}`);
    const ttlMs = pick(rng, [50, 300, 2_000]) + nextTouchOf(client);
    const { staleMs } = plan;
    const operation = operations.add({
      kind: "touch",
      client: client.name,
      key,
      ttlMs,
      staleMs,
      call,
      returned: undefined,
      touched: undefined,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "touch" }>);
    try {
      operation.touched = await client.entries.touch(key, { ttlMs, staleMs });
      operation.returned = history.note(client.name, `touched ${key}: ${operation.touched}`);
    } catch (error) {
      history.note(client.name, `does not know whether it touched ${key}: ${reasonOf(error)}`);
    }
    const done = tap.touches.find(
      (one) =>
        one.origin === client.name && one.key === key && one.ttlMs === ttlMs && one.moment.order > call.order,
    );
    ownWrite(client, key, done?.moment);
  }

  /** What the caller was told, and when: undefined when its invalidation failed, and is not queued either. */
  async function invalidate(
    client: ClientLife,
    target: { keys: string[] } | { tags: string[] } | { prefix: string } | { all: true },
    options: { soft?: boolean; sourceVersion?: bigint } = {},
  ): Promise<Published | undefined> {
    const tags = "tags" in target ? target.tags : [];
    const keys =
      "keys" in target
        ? target.keys
        : "prefix" in target
          ? allKeys.filter((key) => key.startsWith(target.prefix))
          : "all" in target
            ? allKeys
            : [];
    const soft = options.soft ?? false;
    const call = history.note(client.name, `invalidates ${JSON.stringify(target)}${soft ? " softly" : ""}`);
    const operation = operations.add({
      kind: "invalidate",
      client: client.name,
      keys,
      tags,
      soft,
      sourceVersion: Number(options.sourceVersion ?? 0n),
      call,
      returned: undefined,
      answered: false,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "invalidate" }>);
    let queued: Queued | undefined;
    try {
      // With a short deadline, so that its caller gives up while there is a connection too.
      const deadline = chance(rng, 0.3) ? { deadlineMs: between(rng, 5, 150) } : {};
      await client.entries.invalidate(target, { ...options, ...deadline });
      // What became a clear did more than was asked for, and left no source version behind.
      operation.answered = client.cache.stats().invalidations.overflows === 0;
      operation.returned = history.note(client.name, `invalidated ${JSON.stringify(target)}`);
    } catch (error) {
      const rejected = history.note(client.name, `does not know whether it invalidated: ${reasonOf(error)}`);
      if (error instanceof QueuedInvalidationError) {
        const { sourceVersion = 0n } = options;
        queued = { client: client.name, target: toStoreTarget(target), soft, sourceVersion, call, rejected };
        queueJudge.queued(queued);
      }
    }
    const done = truth.invalidations.find(
      (one) =>
        one.origin === client.name &&
        one.moment.order > call.order &&
        one.soft === soft &&
        JSON.stringify(one.target).includes(JSON.stringify(Object.values(target)[0])),
    );
    // A tag whose invalidation got no answer concerns the copies that carry it: the queue's judge looks at those.
    const isWholeKnown = operation.returned !== undefined || tags.length === 0;
    if (done !== undefined && isWholeKnown) {
      for (const key of allKeys) {
        const held = truth.spells(key).findLast((spell) => spell.from.order < done.moment.order)?.held;
        if (matchesKey(done.target, key, held?.tags ?? [])) ownWrite(client, key, done.moment);
      }
    }
    if (queued !== undefined) return { returned: queued.rejected, queued };
    return operation.returned && { returned: operation.returned };
  }

  /** Commits to the origin, and then updates or invalidates the cache. Repeats this until it is answered, or queued. */
  async function write(client: ClientLife, key: string, stopped: () => boolean): Promise<void> {
    const call = history.note(client.name, `commits ${key}`);
    const row = origin.commit(key);
    const soft = key !== VERSIONED_KEY && chance(rng, 0.2);
    history.note(client.name, `committed ${key}@${row.version}${row.deleted ? " (deleted)" : ""}`);
    if (chance(rng, 0.3)) await client.process.sleep(between(rng, 0, 40));
    const way = pick(rng, ["key", "key", "tag", "prefix", "all"] as const);
    for (;;) {
      const told = await publish(client, row, soft, way);
      if (told !== undefined) {
        const { returned, queued } = told;
        const published = () => (queued === undefined ? returned : queueJudge.effectOf(queued));
        operations.completed({ client: client.name, key, row: row.version, soft, call, returned, published });
        if (queued === undefined || chance(rng, 0.7)) return;
      }
      await client.process.sleep(stopped() ? 50 : between(rng, 5, 100));
    }
  }

  function publish(
    client: ClientLife,
    row: Row,
    soft: boolean,
    way: "key" | "tag" | "prefix" | "all",
  ): Promise<Published | undefined> {
    const { key } = row;
    if (key === VERSIONED_KEY) {
      const sourceVersion = BigInt(row.version);
      if (row.deleted || way !== "key") return invalidate(client, { keys: [key] }, { sourceVersion });
      return setRow(client, row, sourceVersion);
    }
    switch (way) {
      case "key":
        return invalidate(client, { keys: [key] }, { soft });
      case "tag":
        return invalidate(client, { tags: [`row-${key}`] }, { soft });
      case "prefix":
        return invalidate(client, { prefix: key }, { soft });
      case "all":
        return invalidate(client, { all: true }, { soft });
      default:
        return way satisfies never;
    }
  }

  async function setRow(client: ClientLife, row: Row, sourceVersion: bigint): Promise<Published | undefined> {
    const { key } = row;
    const value = rowValue(row, `set${nextSerial()}`);
    const call = history.note(client.name, `sets ${value}`);
    const operation = operations.add({
      kind: "set",
      client: client.name,
      key,
      value,
      condition: "always",
      call,
      returned: undefined,
      answer: undefined,
    } satisfies ClientOperation as Extract<ClientOperation, { kind: "set" }>);
    try {
      const outcome = await client.entries.set(key, value, { sourceVersion, tags: tagsOf(key) });
      operation.answer = outcome.kind === "stored" ? "stored" : outcome.reason;
      operation.returned = history.note(client.name, `set ${value}: ${operation.answer}`);
    } catch (error) {
      history.note(client.name, `does not know whether it set ${value}: ${reasonOf(error)}`);
    }
    ownWrite(client, key, tap.sets.get(value)?.stored?.moment);
    return operation.returned && { returned: operation.returned };
  }

  /**
   * A read that is answered after the deadline of a Set that was sent behind it. What it read is from before the Set, and is
   * read again before anything else tells the client so.
   */
  async function overtake(client: ClientLife, key: string): Promise<void> {
    const reading = readEntry(client, key, { maxStalenessMs: 0 });
    await client.process.sleep(between(rng, 1, 3));
    const { latencyMs, jitterMs } = plan;
    await setNote(client, key, between(rng, latencyMs, 2 * (latencyMs + jitterMs)));
    await reading;
    await readEntry(client, key);
  }

  /**
   * A load that begins after the process has written the row, and ends after it has written it once more. Then the row is read at
   * once. In an outage nobody but the process itself knows that what it loads is outdated.
   */
  async function loadAcross(client: ClientLife, key: string, stopped: () => boolean): Promise<void> {
    await write(client, key, stopped);
    const loading = getOrLoad(client, key);
    await client.process.sleep(between(rng, 1, plan.loadMs));
    await write(client, key, stopped);
    await loading;
    await getOrLoad(client, key);
  }

  /** The write was answered or has failed. From now on the process must know every effect that it has had. */
  function ownWrite(client: ClientLife, key: string, effect: Moment | undefined): void {
    if (effect !== undefined) judge.raise(client.name, key, effect);
  }

  async function sync(client: ClientLife): Promise<void> {
    const called = history.note(client.name, "syncs");
    try {
      await client.cache.sync();
      history.note(client.name, "synced");
      judge.synced(client.name, called);
    } catch (error) {
      history.note(client.name, `could not sync: ${reasonOf(error)}`);
    }
  }

  // ---- Programs ------------------------------------------------------------------------------------------

  async function act(client: ClientLife, stopped: () => boolean): Promise<void> {
    const dice = chance(rng, plan.readShare) ? between(rng, 0, 57) / 100 : rng.fraction();
    const note = pick(rng, noteKeys);
    const user = pick(rng, originKeys);
    if (chance(counting, 0.1)) {
      const counter = pick(counting, counterKeys);
      await increment(client, counter);
      if (chance(counting, 0.5)) await readEntry(client, counter);
      return;
    }
    if (chance(listing, 0.05)) {
      await list(client);
      return;
    }
    if (chance(rng, 0.05)) {
      await overtake(client, note);
      return;
    }
    if (chance(rng, 0.03)) await loadAcross(client, user, stopped);
    else if (dice < 0.2) await readEntry(client, pick(rng, allKeys));
    else if (dice < 0.25) await readEntry(client, pick(rng, allKeys), { allowStale: true });
    else if (dice < 0.29)
      await readEntry(client, pick(rng, allKeys), { maxStalenessMs: pick(rng, [0, plan.pingMs]) });
    else if (dice < 0.35) await readMany(client);
    else if (dice < 0.58) await getOrLoad(client, user);
    else if (dice < 0.87) {
      const key = dice < 0.76 ? note : user;
      if (dice < 0.72) await setNote(client, note);
      else if (dice < 0.76) await touch(client, note);
      else await write(client, user, stopped);
      // At once, before anything else can tell the client of the change.
      if (chance(rng, 0.5)) await readEntry(client, key);
    } else if (dice < 0.91) await invalidate(client, { keys: [note] }, { soft: chance(rng, 0.3) });
    else if (dice < 0.94)
      await invalidate(client, { tags: [pick(rng, noteTags)] }, { soft: chance(rng, 0.3) });
    else if (dice < 0.96) await invalidate(client, { prefix: pick(rng, prefixes) });
    else if (dice < 0.965) await invalidate(client, { all: true });
    else {
      await sync(client);
      for (const key of allKeys) await readEntry(client, key);
    }
  }

  return {
    readEntry,
    getOrLoad,
    async run(client, stopped) {
      while (!stopped()) {
        await client.process.sleep(between(rng, 0, plan.thinkMs));
        await act(client, stopped);
      }
    },
  };
}

/** A value that this process has loaded in an outage, and the store has never had. */
const isOutageLoad = (entry: Entry<string>): boolean =>
  entry.outage === true && entry.kind !== "miss" && entry.version === undefined;

/** What a writer was told of its invalidation or Set. */
interface Published {
  readonly returned: Moment;
  /** The invalidation is queued. */
  readonly queued?: Queued;
}

function toStoreTarget(
  target: { keys: string[] } | { tags: string[] } | { prefix: string } | { all: true },
): Invalidation["target"] {
  if ("keys" in target) return { kind: "keys", keys: target.keys };
  if ("tags" in target) return { kind: "tags", tags: target.tags };
  return "prefix" in target ? { kind: "prefix", prefix: target.prefix } : { kind: "all" };
}

const describeChoice = (choice: ReadChoice): string =>
  choice.allowStale
    ? "(stale too)"
    : choice.maxStalenessMs === undefined
      ? ""
      : `(at most ${choice.maxStalenessMs} ms old)`;

function show(entry: Entry<string>): string {
  if (entry.kind === "miss") return "a miss";
  const version = entry.version === undefined ? "" : ` v${entry.version.revision}`;
  return `${entry.stale ? "stale " : ""}${entry.kind === "hit" ? entry.value : "absent"}${version}`;
}

const reasonOf = (error: unknown): string =>
  error instanceof Error ? ("reason" in error ? String(error.reason) : error.message) : String(error);
