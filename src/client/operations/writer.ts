/**
 * Writes entries of one namespace. Whatever an own write is about leaves this process's copies when it is
 * issued, again when it is answered, and again when it fails: a process reads its own writes, and an
 * ambiguous write leaves nothing.
 */

import { type CacheError, fieldInvalid } from "../../common/errors.ts";
import {
  checkContentType,
  checkEntryTags,
  checkFlag,
  checkKey,
  checkKeys,
  checkLifetimeMs,
  checkPrefix,
  checkTags,
  checkUint64,
  checkValue,
  checkWhole,
  unreadable,
} from "../api/checks.ts";
import { encodeValue } from "../api/codecs.ts";
import type { EntryVersion, InvalidateOutcome, SetOutcome } from "../api/results.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { type AsOf, type Change, NOT_COVERED } from "../coherence/coherence.ts";
import type { Call } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import { expectReply, readInvalidate, readSet, type SetReading, toAsOf } from "../messages/replies.ts";
import {
  type InvalidateTarget,
  invalidateOperation,
  type SetCondition,
  setOperation,
  touchOperation,
} from "../messages/requests.ts";
import type { Realm } from "./namespace-context.ts";
import { type CallOptions, FrequentOperation } from "./runner.ts";

export interface SetOptions extends CallOptions {
  /** Default: the namespace's. */
  readonly ttlMs?: number;
  /** Default: the namespace's, or 0 when `ttlMs` is 0. */
  readonly staleMs?: number;
  /** Up to 16 different tags. Invalidating any of them makes the entry gone. */
  readonly tags?: readonly string[];
  /** A version that the source gave to this value: an older one loses. */
  readonly sourceVersion?: bigint;
  /** Store only if there is no fresh entry ("absent"), if there is one ("present"), or if it is this version. */
  readonly when?: "absent" | "present" | EntryVersion;
}

export interface TouchOptions extends CallOptions {
  readonly ttlMs?: number;
  readonly staleMs?: number;
}

/** Exactly one of them. */
export type Target =
  | { readonly keys: readonly string[] }
  | { readonly tags: readonly string[] }
  | { readonly prefix: string }
  | { readonly all: true };

export interface InvalidateOptions extends CallOptions {
  /** Leave the entries stale instead of gone: `getOrLoad` serves them while it loads. Default false. */
  readonly soft?: boolean;
  /** With keys only: they now have this version at the source; entries with this or a greater one stay. */
  readonly sourceVersion?: bigint;
}

/** What a Set writes beside what its caller said. */
export interface Encoded {
  readonly encoded: Uint8Array;
  readonly absent: boolean;
}

/** What a message takes beside the names of its Invalidate, at most. */
const INVALIDATE_OVERHEAD_BYTES = 512;
/** Its tag and length. */
const NAME_OVERHEAD_BYTES = 4;
const UTF8_BYTES_PER_UNIT = 3;
const NOTHING_ENCODED: Encoded = { encoded: new Uint8Array(0), absent: true };

export class EntryWriter<Value> {
  readonly #realm: Realm<Value>;

  constructor(realm: Realm<Value>) {
    this.#realm = realm;
  }

  /** Throws CODEC. `undefined` stands for what the source does not have. */
  encode(value: Value | undefined, absent: boolean): Encoded {
    if (absent || value === undefined) return NOTHING_ENCODED;
    const { codec } = this.#realm.options;
    return { encoded: encodeValue(codec, this.#realm.namespace, value), absent: false };
  }

  /** The namespace's, or the longest lifetime of the server: to forget early that a record is absent does no harm. */
  get negativeTtlMs(): number {
    const { options, remote } = this.#realm;
    return Math.min(options.negativeTtlMs, remote.limits.lifetimeMaxMs);
  }

  async set(
    key: string,
    { encoded, absent }: Encoded,
    options: SetOptions,
    leaseToken?: bigint,
  ): Promise<SetOutcome> {
    const { near, namespace, remote, options: defaults } = this.#realm;
    const { limits } = remote;
    checkKey(key, limits);
    checkValue(encoded, limits);
    const tags = checkEntryTags(options.tags, limits);
    const defaultTtlMs = absent ? this.negativeTtlMs : defaults.ttlMs;
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaultTtlMs, limits);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs, limits);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const when = checkWhen(options.when);
    const contentType = absent ? "" : checkContentType(defaults.contentType, limits);
    const operation = setOperation({
      key,
      value: encoded,
      absent,
      contentType,
      ttlMs,
      staleMs,
      tags,
      sourceVersion,
      condition: toCondition(when, leaseToken),
      ifEpoch: typeof when === "object" ? when.epoch : 0n,
      requestId: this.#realm.nextRequestId(),
    });
    const coverage = () => near?.coverage() ?? NOT_COVERED;
    const read = (reply: OperationReply, call: Call): SetReading => {
      const reading = readSet(expectReply(reply, "set"));
      this.#written("key", [key], [reading.asOf]);
      if (reading.kind === "stored") {
        const readAtMs = call.firstSentAtMs;
        near?.keep(
          {
            key,
            kind: absent ? "absent" : "hit",
            asOf: reading.asOf,
            readAtMs,
            freshUntilMs: ttlMs === 0 ? Number.POSITIVE_INFINITY : readAtMs + ttlMs,
            version: reading.version,
            sourceVersion,
            tags,
            contentType,
            encoded: absent ? undefined : encoded,
          },
          call.coverage,
        );
      }
      return reading;
    };
    const answer = await this.#write("key", [key], () =>
      remote.run(new FrequentOperation("Set", namespace, operation, "sameEpoch", options, coverage, read)),
    );
    if (answer.kind === "refused") return { kind: "refused", reason: answer.reason };
    return { kind: "stored", version: { epoch: answer.asOf.epoch, revision: answer.version } };
  }

  async invalidate(target: Target, options: InvalidateOptions): Promise<InvalidateOutcome> {
    const whole = toPart(target, this.#realm.remote.limits);
    const soft = checkFlag("soft", options.soft, false);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const send = (part: Part) => this.#invalidatePart(part, soft, sourceVersion, options);
    const parts = this.#chunks(whole);
    const sent = parts.map(send);
    try {
      return { removed: sum(await Promise.all(sent)) };
    } catch (error) {
      // By now another server may take the calls, and fewer names in a message. It runs nothing of what it refuses.
      if (parts.every((part) => this.#fits(part))) throw error;
      return { removed: await this.#sendSmaller(parts, await Promise.allSettled(sent), send) };
    }
  }

  /** Sends the parts that were refused for their size as smaller ones. Throws what any of them failed with. */
  async #sendSmaller(
    parts: readonly Part[],
    outcomes: readonly PromiseSettledResult<number>[],
    send: (part: Part) => Promise<number>,
  ): Promise<number> {
    const removed: number[] = [];
    const smaller: Part[] = [];
    for (const [index, part] of parts.entries()) {
      const outcome = outcomes[index];
      if (outcome?.status === "fulfilled") removed.push(outcome.value);
      else if (this.#fits(part)) throw outcome?.reason;
      else smaller.push(...this.#chunks(part));
    }
    return sum(removed) + sum(await Promise.all(smaller.map(send)));
  }

  #fits(part: Part): boolean {
    return this.#chunks(part).length <= 1;
  }

  /** As many parts as the server needs messages. One name is never cut. */
  #chunks({ target, names }: Part): Part[] {
    const { invalidateMaxKeys, invalidateMaxTags, batchMaxBytes, receiveMaxBytes } =
      this.#realm.remote.limits;
    const maxNames = target === "key" ? invalidateMaxKeys : invalidateMaxTags;
    const maxBytes = Math.min(batchMaxBytes, receiveMaxBytes) - INVALIDATE_OVERHEAD_BYTES;
    const parts: Part[] = [];
    let from = 0;
    let bytes = 0;
    for (const [at, name] of names.entries()) {
      const nameBytes = name.length * UTF8_BYTES_PER_UNIT + NAME_OVERHEAD_BYTES;
      if (at > from && (at - from === maxNames || bytes + nameBytes > maxBytes)) {
        parts.push({ target, names: names.slice(from, at) });
        from = at;
        bytes = 0;
      }
      bytes += nameBytes;
    }
    if (from < names.length) parts.push({ target, names: from === 0 ? names : names.slice(from) });
    return parts;
  }

  async touch(key: string, options: TouchOptions): Promise<boolean> {
    const { namespace, remote, options: defaults } = this.#realm;
    const { limits } = remote;
    checkKey(key, limits);
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaults.ttlMs, limits);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs, limits);
    return this.#write("key", [key], () =>
      remote.run({
        options,
        name: "Touch",
        namespace,
        operation: touchOperation(key, ttlMs, staleMs),
        retry: "anyEpoch",
        read: (reply) => {
          const response = expectReply(reply, "touch");
          this.#written("key", [key], [toAsOf(response.asOf)]);
          return response.touched;
        },
      }),
    );
  }

  #invalidatePart(
    part: Part,
    soft: boolean,
    sourceVersion: bigint,
    options: InvalidateOptions,
  ): Promise<number> {
    const { namespace, remote } = this.#realm;
    return this.#write(part.target, part.names, () =>
      remote.run({
        options,
        name: "Invalidate",
        namespace,
        operation: invalidateOperation(toRequest(part), soft, sourceVersion),
        retry: "anyEpoch",
        read: (reply) => {
          const { asOfs, removed } = readInvalidate(expectReply(reply, "invalidate"));
          this.#written(part.target, part.names, asOfs);
          return removed;
        },
      }),
    );
  }

  async #write<Result>(
    target: Change["target"],
    names: readonly string[],
    send: () => Promise<Result>,
  ): Promise<Result> {
    this.#forget(target, names);
    try {
      return await send();
    } catch (error) {
      this.#forget(target, names);
      this.#realm.coherence.writeGivenUp();
      throw error;
    }
  }

  #written(target: Change["target"], names: readonly string[], asOfs: readonly AsOf[]): void {
    this.#forget(target, names);
    for (const asOf of asOfs) this.#realm.coherence.wrote(asOf);
  }

  #forget(target: Change["target"], names: readonly string[]): void {
    for (const name of names) this.#realm.holders.forget(this.#realm.namespace, target, name);
  }
}

const ALWAYS: SetCondition = { case: undefined };

function checkWhen(when: SetOptions["when"]): SetOptions["when"] {
  if (when === undefined || when === null) return undefined;
  if (when === "absent" || when === "present") return when;
  if (typeof when !== "object") throw fieldInvalid("when", '"absent", "present" or a version');
  return {
    epoch: checkUint64("when.epoch", when.epoch),
    revision: checkWhole("when.revision", when.revision, 1, Number.MAX_SAFE_INTEGER),
  };
}

function toCondition(when: SetOptions["when"], leaseToken: bigint | undefined): SetCondition {
  if (leaseToken !== undefined) return { case: "leaseToken", value: leaseToken };
  if (when === undefined) return ALWAYS;
  if (when === "absent") return { case: "ifAbsent", value: true };
  if (when === "present") return { case: "ifPresent", value: true };
  return { case: "ifVersion", value: BigInt(when.revision) };
}

/** What is invalidated, or as much of it as one message takes. */
interface Part {
  readonly target: Change["target"];
  /** One, and empty for "all"; of keys and tags any number. */
  readonly names: readonly string[];
}

function toPart(given: Target, limits: ServerLimits): Part {
  const { keys, tags, prefix, all } = read(given, limits);
  if (keys !== undefined) return { target: "key", names: keys };
  if (tags !== undefined) return { target: "tag", names: tags };
  if (prefix !== undefined) return { target: "prefix", names: [prefix] };
  // Of an untyped caller: a misspelled target must not be taken for the whole namespace.
  if (all !== true) throw badTarget();
  return { target: "all", names: [""] };
}

function toRequest({ target, names }: Part): InvalidateTarget {
  switch (target) {
    case "key":
      return { case: "keys", value: { $typeName: "meshcache.v1.KeyList", keys: [...names] } };
    case "tag":
      return { case: "tags", value: { $typeName: "meshcache.v1.TagList", tags: [...names] } };
    case "prefix":
      return { case: "prefix", value: names[0] ?? "" };
    case "all":
      return { case: "all", value: true };
    default:
      return target satisfies never;
  }
}

interface CheckedTarget {
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly all?: boolean | undefined;
}

/** One of its fields is given, or none. */
function read(target: Target, limits: ServerLimits): CheckedTarget {
  if (typeof target !== "object" || target === null) throw badTarget();
  try {
    const { keys, tags, prefix, all }: CheckedTarget = target;
    if ([keys, tags, prefix, all].filter((one) => one !== undefined).length > 1) throw badTarget();
    return {
      keys: keys === undefined ? undefined : checkKeys(keys, limits),
      tags: tags === undefined ? undefined : checkTags(tags, limits),
      prefix: prefix === undefined ? undefined : checkPrefix(prefix, limits),
      all,
    };
  } catch (error) {
    throw unreadable("target", error);
  }
}

function badTarget(): CacheError {
  return fieldInvalid("target", "one of keys, tags, prefix and all");
}

const sum = (counts: readonly number[]): number => counts.reduce((total, count) => total + count, 0);
