/**
 * Writes entries of one namespace. Whatever an own write is about leaves this process's copies when it is
 * issued, again when it is answered, and again when it fails: a process reads its own writes, and an
 * ambiguous write leaves nothing.
 */

import { NO_BYTES } from "../../common/bytes.ts";
import { type CacheError, fieldInvalid } from "../../common/errors.ts";
import {
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

const NOTHING_ENCODED: Encoded = { encoded: NO_BYTES, absent: true };
/** What the server takes in one Invalidate. */
const KEYS_MAX = 1_024;
const TAGS_MAX = 64;

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

  async set(
    key: string,
    { encoded, absent }: Encoded,
    options: SetOptions,
    leaseToken?: bigint,
  ): Promise<SetOutcome> {
    const { near, namespace, remote, options: defaults } = this.#realm;
    checkKey(key);
    checkValue(encoded);
    const tags = checkEntryTags(options.tags);
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, absent ? defaults.negativeTtlMs : defaults.ttlMs);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const when = checkWhen(options.when);
    const contentType = absent ? "" : defaults.contentType;
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
    const parts = toParts(target);
    const soft = checkFlag("soft", options.soft, false);
    const sourceVersion = checkUint64("sourceVersion", options.sourceVersion);
    const outcomes = await Promise.all(
      parts.map((part) => this.#invalidatePart(part, soft, sourceVersion, options)),
    );
    return { removed: outcomes.reduce((sum, removed) => sum + removed, 0) };
  }

  async touch(key: string, options: TouchOptions): Promise<boolean> {
    const { namespace, remote, options: defaults } = this.#realm;
    checkKey(key);
    const ttlMs = checkLifetimeMs("ttlMs", options.ttlMs, defaults.ttlMs);
    const staleMs = checkLifetimeMs("staleMs", options.staleMs, ttlMs === 0 ? 0 : defaults.staleMs);
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
        operation: invalidateOperation(part.request, soft, sourceVersion),
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

/** As much of a target as one Invalidate takes. */
interface Part {
  readonly target: Change["target"];
  readonly names: readonly string[];
  readonly request: InvalidateTarget;
}

function toParts(target: Target): Part[] {
  const { keys, tags, prefix, all } = read(target);
  if (keys !== undefined) {
    return chunks(keys, KEYS_MAX).map((some) => ({
      target: "key",
      names: some,
      request: { case: "keys", value: { $typeName: "meshcache.v1.KeyList", keys: some } },
    }));
  }
  if (tags !== undefined) {
    return chunks(tags, TAGS_MAX).map((some) => ({
      target: "tag",
      names: some,
      request: { case: "tags", value: { $typeName: "meshcache.v1.TagList", tags: some } },
    }));
  }
  if (prefix !== undefined) {
    return [{ target: "prefix", names: [prefix], request: { case: "prefix", value: prefix } }];
  }
  // Of an untyped caller: a misspelled target must not be taken for the whole namespace.
  if (all !== true) throw badTarget();
  return [{ target: "all", names: [""], request: { case: "all", value: true } }];
}

interface CheckedTarget {
  readonly keys?: readonly string[] | undefined;
  readonly tags?: readonly string[] | undefined;
  readonly prefix?: string | undefined;
  readonly all?: boolean | undefined;
}

/** One of its fields is given, or none. */
function read(target: Target): CheckedTarget {
  if (typeof target !== "object" || target === null) throw badTarget();
  try {
    const { keys, tags, prefix, all }: CheckedTarget = target;
    if ([keys, tags, prefix, all].filter((one) => one !== undefined).length > 1) throw badTarget();
    return {
      keys: keys === undefined ? undefined : checkKeys(keys),
      tags: tags === undefined ? undefined : checkTags(tags),
      prefix: prefix === undefined ? undefined : checkPrefix(prefix),
      all,
    };
  } catch (error) {
    throw unreadable("target", error);
  }
}

function badTarget(): CacheError {
  return fieldInvalid("target", "one of keys, tags, prefix and all");
}

function chunks(names: readonly string[], size: number): string[][] {
  const parts: string[][] = [];
  for (let from = 0; from < names.length; from += size) parts.push(names.slice(from, from + size));
  return parts;
}
