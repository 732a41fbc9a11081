/**
 * Writes entries of one namespace. A write invalidates its target in this process before it is sent, when it
 * is answered and when it fails. So a process reads its own writes, and a write without an answer leaves no
 * cached entry. An invalidation without an answer is queued.
 */
import { NO_BYTES } from "../../common/bytes.ts";
import {
  checkContentType,
  checkEntryTags,
  checkFlag,
  checkInt64,
  checkKey,
  checkLifetimeMs,
  checkSignal,
  checkUint64,
  checkValue,
} from "../api/checks.ts";
import { encodeValue } from "../api/codecs.ts";
import type { IncrementOutcome, InvalidateOutcome, SetOutcome } from "../api/results.ts";
import { isAborted } from "../api/signals.ts";
import { type AsOf, type Change, NOT_COVERED } from "../coherence/coherence.ts";
import type { Call } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import {
  expectReply,
  readIncrement,
  readInvalidate,
  readSet,
  type SetReading,
  toAsOf,
} from "../messages/replies.ts";
import {
  incrementOperation,
  invalidateOperation,
  type SetArguments,
  setOperation,
  touchOperation,
} from "../messages/requests.ts";
import type { Reading, SharedHit } from "../near-cache/cached-entry.ts";
import { runBulk } from "./bulk.ts";
import {
  divideTarget,
  type Target,
  type TargetPart,
  toInvalidateTarget,
  toTarget,
} from "./invalidate-target.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import { cancelled, FrequentRequest, type RunOptions } from "./runner.ts";
import {
  checkWhen,
  type IncrementOptions,
  type InvalidateOptions,
  type SetOptions,
  type TouchOptions,
  toCondition,
  toPlainCondition,
} from "./write-options.ts";

/** An encoded value, or the absence of one. */
export interface Encoded {
  readonly encoded: Uint8Array;
  readonly absent: boolean;
}

const NOTHING_ENCODED: Encoded = { encoded: NO_BYTES, absent: true };

export class EntryWriter<Value> {
  readonly #context: NamespaceContext<Value>;

  constructor(context: NamespaceContext<Value>) {
    this.#context = context;
  }

  /** `undefined` means that the source has no such record. Throws CODEC. */
  encode(value: Value | undefined, absent: boolean): Encoded {
    if (absent || value === undefined) return NOTHING_ENCODED;
    const { codec } = this.#context.options;
    return { encoded: encodeValue(codec, this.#context.namespace, value), absent: false };
  }

  /** The namespace's, or the longest lifetime of the server: to forget early that a record is absent does no harm. */
  get negativeTtlMs(): number {
    const { options, runner } = this.#context;
    return Math.min(options.negativeTtlMs, runner.limits.lifetimeMaxMs);
  }

  /** `shared`: the value of these bytes, decoded and frozen, for readers of the near cache. */
  async set(
    key: string,
    { encoded, absent }: Encoded,
    options: SetOptions & RunOptions,
    leaseToken?: bigint,
    shared?: SharedHit<Value>,
  ): Promise<SetOutcome> {
    const { near, namespace, packing, runner, options: defaults } = this.#context;
    const { limits } = runner;
    checkKey(key, limits);
    checkValue(encoded, limits);
    const tags = checkEntryTags(options.tags, limits);
    const defaultTtlMs = absent ? this.negativeTtlMs : defaults.ttlMs;
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaultTtlMs, limits);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs, limits);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const when = checkWhen(options.when);
    const contentType = absent ? "" : checkContentType(defaults.contentType, limits);
    const set: SetArguments = {
      key,
      ...packing.pack(encoded, limits),
      absent,
      contentType,
      ttlMs,
      staleMs,
      tags,
      sourceVersion,
      condition: toCondition(when, leaseToken),
      ifEpoch: typeof when === "object" ? when.epoch : 0n,
      requestId: this.#context.nextRequestId(),
    };
    const operation = setOperation(set);
    const coverage = () => near?.coverage() ?? NOT_COVERED;
    const read = (reply: OperationReply, call: Call): SetReading =>
      this.#readSet(set, encoded, shared, reply, call);
    const answer = await this.#write("key", [key], () =>
      runner.run(new FrequentRequest("Set", namespace, operation, "sameEpoch", options, coverage, read)),
    );
    if (answer.kind === "refused") return { kind: "refused", reason: answer.reason };
    return { kind: "stored", version: { epoch: answer.asOf.epoch, revision: answer.version } };
  }

  /** Takes the answer to a Set, and keeps the value if the fill rule allows it. */
  #readSet(
    set: SetArguments,
    encoded: Uint8Array,
    shared: SharedHit<Value> | undefined,
    reply: OperationReply,
    call: Call,
  ): SetReading {
    const reading = readSet(expectReply(reply, "set"));
    this.#answered("key", [set.key], [reading.asOf]);
    if (reading.kind === "stored") {
      const readAtMs = call.sentAtMs;
      // A Set that was sent more than once may have taken effect at the first time: its age is unknown.
      const coverage = call.attempts === 1 ? call.coverage : NOT_COVERED;
      const entry: Reading = {
        key: set.key,
        kind: set.absent ? "absent" : "hit",
        asOf: reading.asOf,
        readAtMs,
        ageMs: 0,
        freshUntilMs: set.ttlMs === 0 ? Number.POSITIVE_INFINITY : readAtMs + set.ttlMs,
        version: reading.version,
        sourceVersion: set.sourceVersion,
        tags: set.tags,
        contentType: set.contentType,
        contentEncoding: "",
        encoded: set.absent ? undefined : encoded,
      };
      this.#context.near?.keep(entry, coverage, shared);
    }
    return reading;
  }

  async invalidate(target: Target, options: InvalidateOptions): Promise<InvalidateOutcome> {
    const { runner } = this.#context;
    const whole = toTarget(target, runner.limits);
    const soft = checkFlag("soft", options.soft, false);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const bulk = { ...options, bulk: runner.bulk(options) };
    const patience = { ...bulk.bulk, signal: checkSignal(options.signal) };
    if (patience.signal !== undefined && isAborted(patience.signal)) throw cancelled(patience.signal);
    const { invalidationQueue, namespace } = this.#context;
    const invalidate = (part: TargetPart, runOptions: RunOptions) =>
      invalidationQueue.attempt({ namespace, part, soft, sourceVersion }, patience, () =>
        this.#invalidatePart(part, soft, sourceVersion, runOptions),
      );
    const send = async (part: TargetPart, runOptions: RunOptions): Promise<number> => {
      try {
        return await invalidate(part, runOptions);
      } catch (error) {
        // By now another server may take the calls, and fewer names in a message. It runs nothing of what it refuses.
        const smaller = this.#divide(part);
        if (smaller.length <= 1) throw error;
        return sum(await runBulk(smaller, (one) => invalidate(one, bulk)));
      }
    };
    const parts = this.#divide(whole);
    const [only] = parts;
    if (only !== undefined && parts.length === 1) return { removed: await send(only, options) };
    // A part may have to wait for room in the window; its copies are gone now.
    this.#invalidateLocal(whole.target, whole.names);
    return { removed: sum(await runBulk(parts, (part) => send(part, bulk))) };
  }

  #divide(part: TargetPart): TargetPart[] {
    return divideTarget(part, this.#context.runner.limits);
  }

  async touch(key: string, options: TouchOptions): Promise<boolean> {
    const { namespace, runner, options: defaults } = this.#context;
    const { limits } = runner;
    checkKey(key, limits);
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaults.ttlMs, limits);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs, limits);
    return this.#write("key", [key], () =>
      runner.run({
        options,
        name: "Touch",
        namespace,
        operation: touchOperation(key, ttlMs, staleMs),
        retry: "anyEpoch",
        read: (reply) => {
          const response = expectReply(reply, "touch");
          this.#answered("key", [key], [toAsOf(response.asOf)]);
          return response.touched;
        },
      }),
    );
  }

  /** Its copy is invalidated, and the new one is read when it is asked for: counters are written more than read. */
  async increment(key: string, delta: bigint | number, options: IncrementOptions): Promise<IncrementOutcome> {
    const { namespace, runner, options: defaults } = this.#context;
    const { limits } = runner;
    checkKey(key, limits);
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaults.ttlMs, limits);
    const when = checkWhen(options.when);
    const operation = incrementOperation({
      key,
      delta: checkInt64("delta", delta, 1n),
      initial: checkInt64("initial", options.initial, 0n),
      ttlMs,
      staleMs: checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs, limits),
      condition: toPlainCondition(when),
      ifEpoch: typeof when === "object" ? when.epoch : 0n,
      requestId: this.#context.nextRequestId(),
    });
    const read = (reply: OperationReply) => {
      const reading = readIncrement(expectReply(reply, "increment"));
      this.#answered("key", [key], [reading.asOf]);
      return reading;
    };
    const answer = await this.#write("key", [key], () =>
      runner.run(
        new FrequentRequest("Increment", namespace, operation, "sameEpoch", options, undefined, read),
      ),
    );
    if (answer.kind === "refused") return { kind: "refused", reason: answer.reason };
    const { value, ttlRemainingMs, created } = answer;
    const version = { epoch: answer.asOf.epoch, revision: answer.version };
    return { kind: "incremented", value, version, ttlRemainingMs, created };
  }

  #invalidatePart(
    part: TargetPart,
    soft: boolean,
    sourceVersion: bigint,
    options: RunOptions,
  ): Promise<number> {
    const { namespace, runner } = this.#context;
    return this.#write(part.target, part.names, () =>
      runner.run({
        options,
        name: "Invalidate",
        namespace,
        operation: invalidateOperation(toInvalidateTarget(part), soft, sourceVersion),
        retry: "byOwner",
        read: (reply) => {
          const { asOfs, removed } = readInvalidate(expectReply(reply, "invalidate"));
          this.#answered(part.target, part.names, asOfs);
          return removed;
        },
      }),
    );
  }

  /** Sends an own write. Its answer calls `#answered`, before the promise resolves. */
  async #write<Result>(
    target: Change["target"],
    names: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    this.#invalidateLocal(target, names);
    try {
      return await send();
    } catch (error) {
      this.#invalidateLocal(target, names);
      this.#context.coherence.writeUnanswered();
      throw error;
    }
  }

  /** An own write was answered. */
  #answered(target: Change["target"], names: readonly string[], asOfs: readonly AsOf[]): void {
    this.#invalidateLocal(target, names);
    for (const asOf of asOfs) this.#context.coherence.writeAnswered(asOf);
  }

  #invalidateLocal(target: Change["target"], names: readonly string[]): void {
    for (const name of names) this.#context.invalidations.invalidate(this.#context.namespace, target, name);
  }
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
