/**
 * Judges one shard of the tier where its functions run: each life of the shard, which a claim begins, is a store with a tap, which
 * compares every answer with the truth. What runs under an epoch that was claimed away has no part in the truth.
 */

import type { Store } from "../../../src/store/api/store.ts";
import { readRecords } from "../../../src/tier/library/records.ts";
import {
  type CallHead,
  type ResultContext,
  readGet,
  readIncrement,
  readInvalidate,
  readLease,
  readRelease,
  readSet,
  readTouch,
} from "../../../src/tier/library/results.ts";
import { NAMESPACE_NAME } from "../client-node.ts";
import type { History, Moment } from "../history.ts";
import { createTap, type Tap, type TappedStore } from "../tapped-store.ts";
import { createTruth, type Invalidation, type Truth } from "../truth.ts";
import { readOperation, type StoreCommand } from "./operation-reader.ts";

const REVISION_AT = 1;
const REVISION_BYTES = 6;
/** Of no other operation than a Set or an Increment. */
const BEGUN_AGAIN = 255;

/** When and where it ran. */
export interface Mutation {
  readonly atMs: number;
  readonly node: string;
}

export class ShardJudge {
  readonly shard: number;
  readonly keys: readonly string[];
  readonly truth: Truth;
  readonly tap: Tap;
  /** When lives began. */
  readonly begins: Moment[] = [];
  /** Of each life. */
  readonly firstRevisions: number[] = [];
  /** Requests that took effect in two lives. */
  repeats = 0;
  /** The mutations of the current life, by their revisions. */
  readonly mutations = new Map<number, Mutation>();
  readonly #history: History;
  readonly #nowMs: () => number;
  #store: TappedStore | undefined;
  #epoch = 0n;
  #revision = 0;
  #before = 0;
  /** What was published last. */
  #published = { epoch: 0n, revision: 0 };
  /** Of the lease that is asked for. */
  #token = 0n;
  #isRetry = false;
  #result: { readonly bytes: Buffer; readonly context: ResultContext } | undefined;

  constructor(
    shard: number,
    keys: readonly string[],
    history: History,
    nowMs: () => number,
    invalidated: (invalidation: Invalidation) => void,
  ) {
    this.shard = shard;
    this.keys = keys;
    this.#history = history;
    this.#nowMs = nowMs;
    const truth = createTruth(keys, true);
    // Inherits the getters.
    this.truth = Object.assign(Object.create(truth) as Truth, {
      invalidated(...args: Parameters<Truth["invalidated"]>) {
        invalidated(args[0]);
        truth.invalidated(...args);
      },
    });
    this.tap = createTap(this.#tolerant(history), this.truth);
  }

  get epoch(): bigint {
    return this.#epoch;
  }

  /** Of the latest mutation, or of the claim that its life began with. */
  get revision(): number {
    return this.#revision;
  }

  published(payload: Buffer): void {
    const last = readRecords(payload, this.shard).findLast(({ kind }) => kind !== "leaseEnded");
    if (last !== undefined) this.#published = { epoch: last.epoch, revision: last.revision };
  }

  /** `records`: in its stream. */
  claimed(node: string, epoch: bigint, revision: number, records: number): void {
    this.begins.push(
      this.#history.note(node, `shard ${this.shard} was claimed at ${revision}, epoch ${epoch}`),
    );
    this.firstRevisions.push(revision);
    this.#epoch = epoch;
    this.mutations.clear();
    // Of another epoch: a shard that has lost its head counts from the beginning.
    this.#revision = revision;
    this.#store = this.tap.around(this.#life(epoch), this.#nowMs);
    if (records !== 1) this.#violate(node, "the stream of a life does not begin with its claim", "feed");
    this.#checkPublished(node);
  }

  ran(
    node: string,
    operations: readonly Buffer[],
    results: readonly Buffer[],
    { epoch, nowMs }: CallHead,
  ): void {
    const revisionBefore = this.#revision;
    for (const [index, bytes] of operations.entries()) {
      const operation = readOperation(bytes);
      const result = results[index];
      if (result === undefined) continue;
      const revision = result.readUIntBE(REVISION_AT, REVISION_BYTES);
      if (epoch !== this.#epoch) {
        this.#history.note(node, `runs ${operation?.kind} of shard ${this.shard} in a life that is over`);
        continue;
      }
      this.#before = this.#revision;
      if (revision > this.#revision) {
        this.#move(revision);
        this.mutations.set(revision, { atMs: this.#nowMs(), node });
      } else if (operation?.kind === "get" && revision < this.#revision) {
        this.#violate(node, `answers as of ${revision}, after ${this.#revision}`);
      }
      if (result[0] === BEGUN_AGAIN) {
        this.#history.note(node, `refuses a retry of shard ${this.shard} from an earlier life`);
        continue;
      }
      this.#result = { bytes: result, context: { shard: this.shard, nowMs } };
      if (operation !== undefined) this.#replay(operation);
    }
    if (this.#revision > revisionBefore) this.#checkPublished(node);
  }

  /** Whoever follows the feed is told of each mutation by the call that has made it. */
  #checkPublished(node: string): void {
    const { epoch, revision } = this.#published;
    if (epoch === this.#epoch && revision === this.#revision) return;
    this.#violate(node, `revision ${this.#revision} was not published`, "feed");
  }

  /**
   * What waited in a server until a shard had begun again is no retry: it takes effect, also when its retry took effect elsewhere in
   * the life before. A retry never does.
   */
  #tolerant(history: History): History {
    const violate = (check: string, message: string): void => {
      if (check === "request-twice" && this.begins.length > 1 && !this.#isRetry) {
        this.repeats += 1;
        history.note("store", message);
      } else history.violate(check, message);
    };
    return Object.assign(Object.create(history) as History, { violate });
  }

  #move(revision: number): void {
    if (revision <= this.#revision) {
      this.#violate("engine", `revision ${revision} was used again, after ${this.#revision}`);
    }
    this.#revision = Math.max(revision, this.#revision);
  }

  #violate(who: string, what: string, check = "revision"): void {
    this.#history.violate(check, `shard ${this.shard}, ${who}: ${what}`);
  }

  #replay(operation: StoreCommand): void {
    const store = this.#store;
    if (store === undefined) throw new Error("a call ran in a shard that nobody has claimed");
    if (operation.kind === "release") {
      if (this.keys.includes(operation.key)) store.release(NAMESPACE_NAME, operation.key, operation.token);
      return;
    }
    const { command } = operation;
    const isKnown =
      command.namespace === NAMESPACE_NAME && (!("key" in command) || this.keys.includes(command.key));
    if (!isKnown) return;
    this.#isRetry = "firstEpoch" in command && (command.firstEpoch ?? 0n) !== 0n;
    switch (operation.kind) {
      case "get":
        store.get(operation.command);
        return;
      case "set":
        store.set(operation.command);
        return;
      case "touch":
        store.touch(operation.command);
        return;
      case "increment":
        store.increment(operation.command);
        return;
      case "lease":
        this.#token = operation.token;
        store.lease(operation.command);
        return;
      case "invalidate":
        store.invalidate(operation.command);
        return;
      default:
        operation satisfies never;
    }
  }

  /** A store that answers with what the library has answered. */
  #life(epoch: bigint): Store {
    const read = <Result>(reader: (bytes: Buffer, context: ResultContext) => Result): Result => {
      if (this.#result === undefined) throw new Error("there is no answer of the library");
      return reader(this.#result.bytes, this.#result.context);
    };
    const life: Partial<Store> = {
      epoch,
      predecessors: [],
      shardCount: this.shard + 1,
      shardOf: () => this.shard,
      shards: () =>
        Array.from({ length: this.shard + 1 }, () => ({
          ...{ revision: this.#before, entries: 0, bytes: 0, budgetBytes: 0, logEvents: 0 },
        })),
      get: () => read((bytes, context) => readGet(bytes, context, 0)),
      set: () => read(readSet),
      touch: () => read(readTouch),
      increment: () => read(readIncrement),
      lease: () => read((bytes, context) => readLease(bytes, context, this.#token)),
      release: () => read(readRelease),
      invalidate: () =>
        read((bytes, context) => {
          const { asOf, removed } = readInvalidate(bytes, context);
          return { stamps: [asOf], removed };
        }),
    };
    return life as Store;
  }
}
