/** Runs random commands on an embedded shard and on the library, and expects the same of both after every one. */
import { isDeepStrictEqual } from "node:util";
import { expect } from "vitest";
import { createSeededRng } from "../../../src/common/random.ts";
import type {
  GetResult,
  IncrementCondition,
  InvalidateTarget,
  LeaseResult,
  SetCommand,
  SetCondition,
  Store,
  StoreEvent,
  Subscriber,
} from "../../../src/store/api/store.ts";
import { createStore } from "../../../src/store/engine/create-store.ts";
import { ENTRY_STATE, stateByHead, toEntryView } from "../../../src/tier/library/entry.ts";
import { OTHER_EPOCH } from "../../../src/tier/library/operations.ts";
import { LibraryShard } from "../../support/engine/library-shard.ts";
import type { RespConnection } from "../../support/engine/resp-connection.ts";
import { setTime, verify } from "../../support/engine/test-library.ts";
import { ManualClock } from "../../support/manual-clock.ts";
import { keys, namespaces, type StoreCommand } from "../../support/store-commands.ts";

const writer = { origin: "writer", traceparent: "" };
/** Later than the engine's own clock ever is in a test, which would let entries expire. */
const AHEAD_MS = 3_600_000;

interface Grant {
  readonly namespace: string;
  readonly key: string;
  readonly embedded: bigint;
  readonly tier: bigint;
}

/** Begins at this time, and says when it ended. */
export class DifferentialRun {
  readonly seen = new Map<string, number>();
  readonly #connection: RespConnection;
  readonly #clock: ManualClock;
  readonly #embedded: Store;
  readonly #subscriber: Subscriber;
  readonly #tier: LibraryShard;
  readonly #grants: Grant[] = [];
  readonly #versions = new Map<string, number>();
  #tokens = 0n;
  /** Of the tier's shard after its claim. That of the embedded one is 0. */
  #firstRevision = 0;

  private constructor(connection: RespConnection, beginMs: number) {
    this.#connection = connection;
    this.#clock = new ManualClock(beginMs);
    this.#embedded = createStore({ shards: 1, clock: this.#clock, rng: createSeededRng(1) });
    const selectors = namespaces.map((namespace) => ({ namespace, prefixes: [] }));
    this.#subscriber = this.#embedded.subscribe(selectors, new Uint8Array(), () => {});
    this.#tier = new LibraryShard(connection);
  }

  /** With an empty engine. `afterMs`: the end of the run before, if there was one: the time of an engine does not go back. */
  static async begin(connection: RespConnection, afterMs = 0): Promise<DifferentialRun> {
    await connection.call("FLUSHALL");
    const run = new DifferentialRun(connection, Math.max(afterMs, Date.now() + AHEAD_MS));
    await setTime(connection, run.nowMs);
    await verify(connection);
    await run.#tier.claim();
    run.#firstRevision = (await run.#tier.readHead())?.revision ?? 0;
    return run;
  }

  get nowMs(): number {
    return this.#clock.nowMs();
  }

  async do(command: StoreCommand): Promise<void> {
    switch (command.do) {
      case "get":
        return this.#get(command);
      case "set":
        return this.#set(command);
      case "increment":
        return this.#increment(command);
      case "touch": {
        const touch = { ...command, writer };
        const result = this.#embedded.touch(touch);
        this.#saw(`touched ${result.touched}`);
        return this.#same(result, await this.#tier.touch(touch));
      }
      case "invalidateKeys":
        return this.#invalidate(command, { kind: "keys", keys: command.keys }, command.sourceVersion);
      case "invalidateTags":
        return this.#invalidate(command, { kind: "tags", tags: command.tags });
      case "invalidatePrefix": {
        const { prefix } = command;
        return this.#invalidate(command, prefix === undefined ? { kind: "all" } : { kind: "prefix", prefix });
      }
      case "lease":
        return this.#lease(command);
      case "release": {
        const grant = this.#grants[command.pick % this.#grants.length];
        if (grant === undefined) return;
        const { namespace, key, embedded, tier } = grant;
        const { released } = this.#embedded.release(namespace, key, embedded);
        this.#saw(`released ${released}`);
        return this.#same(released, await this.#tier.release(namespace, key, tier));
      }
      case "advance":
        this.#clock.advance(command.byMs);
        this.#embedded.maintain(0);
        return setTime(this.#connection, this.nowMs);
      case "maintain":
        this.#embedded.maintain(command.maxEntries);
        if (command.maxEntries > 0) await this.#tier.sweep();
        return;
      default:
    }
  }

  /** The events of both are the same. */
  async finish(): Promise<void> {
    const events: StoreEvent[] = [];
    while (this.#subscriber.behind()) {
      const read = this.#subscriber.read(1_000, 1 << 24);
      if (read?.kind === "gap") throw new Error(`a gap where no event was dropped: ${read.reason}`);
      events.push(...(read?.events ?? []));
    }
    const records = await this.#tier.records();
    const published = records.flatMap((record) => (record.kind === "events" ? record.events : []));
    this.#same(events, published);
    expect(records.map(({ revision }) => revision)).toEqual(
      records.map((_, index) => this.#firstRevision + index),
    );
    for (const event of events) this.#saw(`event ${event.kind} ${event.target}`);
  }

  async #get(command: Extract<StoreCommand, { do: "get" }>): Promise<void> {
    const { namespace, key, known, allowStale } = command;
    const version = known === "nothing" ? 0 : this.#versionOf(namespace, key);
    const epoch = { nothing: 0n, version: this.#embedded.epoch, versionOfNoEpoch: 0n }[known as "version"];
    const get = {
      namespace,
      key,
      allowStale,
      ifVersion: version,
      ifEpoch: epoch ?? this.#embedded.epoch + 1n,
    };
    const result = this.#embedded.get(get);
    this.#saw(`get ${result.kind === "hit" && result.entry.stale ? "stale hit" : result.kind}`);
    const isOther = known === "versionOfAnotherEpoch";
    const tierGet = { ...get, ifVersion: isOther || version === 0 ? 0 : version + this.#firstRevision };
    const tier = await this.#tier.get(tierGet, allowStale);
    this.#same(result, tier);
    await this.#readNatively(namespace, key, tier, allowStale);
    if (!allowStale) return;
    const inspected = this.#embedded.inspect(namespace, key);
    const { entry } = await this.#tier.inspect(namespace, key);
    const isGone = inspected.entry === undefined || inspected.entry.state === "gone";
    if (isGone) expect(entry?.state ?? "gone").toBe("gone");
    else this.#same(inspected.entry, entry);
  }

  /** What a server reads without the library is the same, or it knows that it cannot tell. */
  async #readNatively(namespace: string, key: string, read: GetResult, allowStale: boolean): Promise<void> {
    const head = await this.#tier.readHead();
    const entry = await this.#tier.readRaw(namespace, key);
    if (head === undefined) throw new Error("there is a head");
    const state = stateByHead(head, entry, this.nowMs);
    this.#saw(`native ${state}`);
    if (state === "ask" || read.kind === "notModified") return;
    const isSeen = state === ENTRY_STATE.fresh || (allowStale && state !== ENTRY_STATE.gone);
    expect(isSeen).toBe(read.kind === "hit");
    if (entry !== null && read.kind === "hit") {
      expect(toEntryView(entry, state, this.nowMs)).toEqual(read.entry);
    }
  }

  async #set(command: Extract<StoreCommand, { do: "set" }>): Promise<void> {
    const { namespace, key, pick } = command;
    const leased = this.#grants.filter((grant) => grant.namespace === namespace && grant.key === key);
    // Mostly the latest lease of the key, now and then a former one.
    const grant = leased.at(pick % 4 === 0 ? pick % leased.length : -1);
    const absent = command.value === 0;
    const set: SetCommand = {
      ...command,
      value: storedBytes(command.value),
      absent,
      contentType: pick % 2 === 0 ? "" : "text/plain",
      contentEncoding: pick % 3 === 0 && !absent ? "gzip" : "",
      condition: { kind: "always" },
      writer: { origin: `writer-${command.value}`, traceparent: pick % 5 === 0 ? "00-trace" : "" },
    };
    const [forEmbedded, forTier] = this.#conditions(command, grant);
    const before = this.#embedded.counters.sets + this.#embedded.counters.setsRefused;
    const result = this.#embedded.set({ ...set, condition: forEmbedded });
    const again = before === this.#embedded.counters.sets + this.#embedded.counters.setsRefused;
    const reason = result.kind === "stored" ? `stored ${command.condition}` : result.reason;
    this.#saw(again ? "set answered again" : `set ${reason}`);
    this.#same(result, await this.#tier.set({ ...set, condition: forTier }));
    if (result.kind === "stored") this.#versions.set(`${namespace} ${key}`, result.version);
  }

  async #increment(command: Extract<StoreCommand, { do: "increment" }>): Promise<void> {
    const { namespace, key } = command;
    const [forEmbedded, forTier] = this.#conditions(command, undefined);
    const result = this.#embedded.increment({
      ...command,
      condition: forEmbedded as IncrementCondition,
      writer,
    });
    this.#saw(result.kind === "incremented" ? "incremented" : `increment ${result.reason}`);
    const increment = { ...command, condition: forTier as IncrementCondition, writer };
    this.#same(result, await this.#tier.increment(increment));
    if (result.kind === "incremented") this.#versions.set(`${namespace} ${key}`, result.version);
  }

  /** For the embedded store and for the tier. */
  #conditions(
    command: Extract<StoreCommand, { do: "set" | "increment" }>,
    grant: Grant | undefined,
  ): readonly [SetCondition, SetCondition] {
    const { condition: kind, namespace, key, pick } = command;
    if (kind === "lease") {
      return [
        { kind, token: grant?.embedded ?? 99n },
        { kind, token: grant?.tier ?? 99n },
      ];
    }
    if (kind !== "ifVersion" && kind !== "badEpoch") return [{ kind }, { kind }];
    const version = this.#versionOf(namespace, key);
    const isOther = kind === "badEpoch";
    const anyEpoch = pick % 2 === 0;
    const epoch = anyEpoch ? 0n : this.#embedded.epoch;
    const tierEpoch = anyEpoch ? 0n : this.#tier.epoch;
    return [
      { kind: "ifVersion", version, epoch: isOther ? this.#embedded.epoch + 1n : epoch },
      { kind: "ifVersion", version: version + this.#firstRevision, epoch: isOther ? OTHER_EPOCH : tierEpoch },
    ];
  }

  async #invalidate(
    { namespace, soft }: { readonly namespace: string; readonly soft: boolean },
    target: InvalidateTarget,
    sourceVersion = 0n,
  ): Promise<void> {
    if (target.kind !== "keys") await this.#removeDead(namespace);
    const invalidate = { namespace, soft, target, sourceVersion, writer };
    const result = this.#embedded.invalidate(invalidate);
    this.#saw(`removed ${result.removed}`);
    this.#same(result, await this.#tier.invalidate(invalidate));
  }

  /**
   * Before an invalidation that may take the place of an earlier one. An entry that is still there then has ended with the later one, and what
   * is known of its source lasts that much longer: which entries a sweep has come to by then differs.
   */
  async #removeDead(namespace: string): Promise<void> {
    for (const key of keys)
      this.#embedded.get({ namespace, key, ifVersion: 0, ifEpoch: 0n, allowStale: true });
    await this.#tier.removeDead(keys.map((key) => ({ namespace, key })));
  }

  async #lease(command: Extract<StoreCommand, { do: "lease" }>): Promise<void> {
    const { namespace, key } = command;
    const lease = { ...command, waitMs: 0 };
    const result = this.#embedded.lease(lease);
    if (result.kind === "waiting") throw new Error("a lease without a wait does not wait");
    this.#saw(`lease ${result.kind}`);
    const token = ++this.#tokens;
    const tier: LeaseResult = await this.#tier.lease(lease, token);
    if (result.kind !== "granted") return this.#same(result, tier);
    this.#same({ ...result, token }, tier);
    this.#grants.push({ namespace, key, embedded: result.token, tier: token });
  }

  #versionOf(namespace: string, key: string): number {
    return this.#versions.get(`${namespace} ${key}`) ?? 1;
  }

  /** But for the revisions, which begin elsewhere. `toEqual` only to say what differs: it is slow. */
  #same(embedded: unknown, tier: unknown): void {
    const expected = movedBy(this.#firstRevision, embedded);
    const actual = movedBy(0, tier);
    if (!isDeepStrictEqual(expected, actual)) expect(actual).toEqual(expected);
  }

  #saw(outcome: string): void {
    this.seen.set(outcome, (this.seen.get(outcome) ?? 0) + 1);
  }
}

/** The same with greater revisions and versions, and bytes as text. */
function movedBy(offset: number, value: unknown): unknown {
  if (value instanceof Uint8Array) return Buffer.from(value).toString("hex");
  if (Array.isArray(value)) return value.map((item) => movedBy(offset, item));
  if (value === null || typeof value !== "object") return value;
  return Object.fromEntries(
    Object.entries(value).map(([name, part]) => {
      const isMoved = (name === "revision" || name === "version") && typeof part === "number";
      return [name, isMoved ? part + offset : movedBy(offset, part)];
    }),
  );
}

function storedBytes(value: number | string): Uint8Array {
  if (typeof value === "string") return new TextEncoder().encode(value);
  return value === 0 ? new Uint8Array() : new Uint8Array([value, 0, 255]);
}
