/** Turns the contract's responses into the client's own types. Values stay views of the message that they came in. */
import {
  type GetResponse,
  type Hit,
  type IncrementResponse,
  type InvalidateResponse,
  type LeaseResponse,
  type ListKeysResponse,
  NotIncremented_Reason,
  NotStored_Reason,
  type OperationResult,
  type SetResponse,
  type Stamp,
  type TouchResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_TAGS } from "../../codec/fast/messages.ts";
import { CacheError } from "../../common/errors.ts";
import type { IncrementRefusalReason, RefusalReason } from "../api/results.ts";
import type { AsOf } from "../coherence/coherence.ts";
import type { Reading } from "../near-cache/cached-entry.ts";

/** The answer to one operation. */
export type OperationReply = OperationResult["result"];

/** The bytes of the value that it carries. */
export function valueBytesIn(reply: OperationReply): number {
  if (reply.case !== "get" && reply.case !== "lease") return 0;
  const { outcome } = reply.value;
  return outcome.case === "hit" ? outcome.value.value.length : 0;
}

/** These are classes and no literals, for the reason that codec/fast/messages.ts gives. */
class AnsweredAsOf implements AsOf {
  readonly epoch: bigint;
  readonly shard: number;
  readonly revision: number;

  constructor(stamp: Stamp) {
    this.epoch = stamp.epoch;
    this.shard = stamp.shard;
    this.revision = Number(stamp.revision);
  }
}

class HitReading implements Reading {
  readonly key: string;
  readonly kind: "absent" | "hit";
  readonly asOf: AsOf;
  readonly readAtMs: number;
  readonly ageMs: number;
  readonly freshUntilMs: number;
  readonly version: number;
  readonly sourceVersion: bigint;
  readonly tags: readonly string[];
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly encoded: Uint8Array | undefined;

  constructor(key: string, asOf: AsOf, hit: Hit, sentAtMs: number) {
    this.key = key;
    this.kind = hit.absent ? "absent" : "hit";
    this.asOf = asOf;
    this.readAtMs = sentAtMs;
    this.ageMs = Number(hit.ageMs);
    this.freshUntilMs = freshUntilMs(hit, sentAtMs);
    this.version = Number(hit.version);
    this.sourceVersion = hit.sourceVersion;
    this.tags = hit.tags;
    this.contentType = hit.contentType;
    this.contentEncoding = hit.contentEncoding;
    this.encoded = hit.absent ? undefined : hit.value;
  }
}

class MissReading implements Reading {
  readonly key: string;
  readonly kind = "miss";
  readonly asOf: AsOf;
  readonly readAtMs: number;
  readonly ageMs = 0;
  /** A miss has no TTL: only a Set ends it, and a Set is an event. */
  readonly freshUntilMs = Number.POSITIVE_INFINITY;
  readonly version = 0;
  readonly sourceVersion = 0n;
  readonly tags: readonly string[] = NO_TAGS;
  readonly contentType = "";
  readonly contentEncoding = "";
  readonly encoded = undefined;

  constructor(key: string, asOf: AsOf, sentAtMs: number) {
    this.key = key;
    this.asOf = asOf;
    this.readAtMs = sentAtMs;
  }
}

class StoredReading {
  readonly kind = "stored";
  readonly asOf: AsOf;
  readonly version: number;

  constructor(asOf: AsOf, version: bigint) {
    this.asOf = asOf;
    this.version = Number(version);
  }
}

export function toAsOf(stamp: Stamp | undefined): AsOf {
  if (stamp === undefined) throw malformed();
  return new AnsweredAsOf(stamp);
}

/** The error for an answer that breaks the contract. */
export function malformed(): CacheError {
  return new CacheError("INTERNAL", "the server sent an answer that the contract does not have");
}

interface Answers {
  readonly get: GetResponse;
  readonly set: SetResponse;
  readonly invalidate: InvalidateResponse;
  readonly touch: TouchResponse;
  readonly increment: IncrementResponse;
  readonly listKeys: ListKeysResponse;
  readonly lease: LeaseResponse;
}

/** The response in a reply to an operation of this kind. Throws INTERNAL for any other: it breaks the contract. */
export function expectReply<Case extends keyof Answers>(
  reply: OperationReply,
  expected: Case,
): Answers[Case] {
  const isExpected = (one: OperationReply): one is OperationReply & { value: Answers[Case] } =>
    one.case === expected;
  if (!isExpected(reply)) throw malformed();
  return reply.value;
}

export function readGet(key: string, response: GetResponse, sentAtMs: number): Reading | "notModified" {
  const asOf = toAsOf(response.asOf);
  const { outcome } = response;
  switch (outcome.case) {
    case "hit":
      return new HitReading(key, asOf, outcome.value, sentAtMs);
    case "miss":
      return new MissReading(key, asOf, sentAtMs);
    case "notModified":
      return "notModified";
    case undefined:
      throw malformed();
    default:
      return outcome satisfies never;
  }
}

/**
 * When the TTL ends. It is counted from when the request was sent; the server counted from a later moment, so that no
 * copy outlives its entry.
 */
export function freshUntilMs(
  entry: { readonly ttlRemainingMs: bigint; readonly stale: boolean },
  sentAtMs: number,
): number {
  if (entry.stale) return Number.NEGATIVE_INFINITY;
  return entry.ttlRemainingMs === 0n ? Number.POSITIVE_INFINITY : sentAtMs + Number(entry.ttlRemainingMs);
}

const REFUSALS: Partial<Record<number, RefusalReason>> = {
  [NotStored_Reason.EXISTS]: "exists",
  [NotStored_Reason.ABSENT]: "absent",
  [NotStored_Reason.VERSION_MISMATCH]: "versionMismatch",
  [NotStored_Reason.LEASE_LOST]: "leaseLost",
  [NotStored_Reason.OLDER_SOURCE_VERSION]: "olderSourceVersion",
};

export type SetReading =
  | StoredReading
  | { readonly kind: "refused"; readonly asOf: AsOf; readonly reason: RefusalReason };

export function readSet(response: SetResponse): SetReading {
  const asOf = toAsOf(response.asOf);
  const { outcome } = response;
  if (outcome.case === "stored") return new StoredReading(asOf, outcome.value.version);
  const reason = outcome.case === "notStored" ? REFUSALS[outcome.value.reason] : undefined;
  if (reason === undefined) throw malformed();
  return { kind: "refused", asOf, reason };
}

const INCREMENT_REFUSALS: Partial<Record<number, IncrementRefusalReason>> = {
  [NotIncremented_Reason.EXISTS]: "exists",
  [NotIncremented_Reason.ABSENT]: "absent",
  [NotIncremented_Reason.VERSION_MISMATCH]: "versionMismatch",
  [NotIncremented_Reason.NOT_A_COUNTER]: "notACounter",
  [NotIncremented_Reason.OVERFLOW]: "overflow",
};

export type IncrementReading =
  | {
      readonly kind: "incremented";
      readonly asOf: AsOf;
      readonly value: bigint;
      readonly version: number;
      /** Infinity: it never expires. */
      readonly ttlRemainingMs: number;
      readonly created: boolean;
    }
  | { readonly kind: "refused"; readonly asOf: AsOf; readonly reason: IncrementRefusalReason };

export function readIncrement({ asOf: stamp, outcome }: IncrementResponse): IncrementReading {
  const asOf = toAsOf(stamp);
  if (outcome.case === "incremented") {
    const { value, version, ttlRemainingMs, created } = outcome.value;
    return {
      kind: "incremented",
      asOf,
      value,
      version: Number(version),
      ttlRemainingMs: ttlRemainingMs === 0n ? Number.POSITIVE_INFINITY : Number(ttlRemainingMs),
      created,
    };
  }
  const reason = outcome.case === "notIncremented" ? INCREMENT_REFUSALS[outcome.value.reason] : undefined;
  if (reason === undefined) throw malformed();
  return { kind: "refused", asOf, reason };
}

export interface InvalidateReading {
  readonly asOfs: readonly AsOf[];
  readonly removed: number;
}

export function readInvalidate(response: InvalidateResponse): InvalidateReading {
  return { asOfs: response.stamps.map(toAsOf), removed: Number(response.removed) };
}

export type LeaseReading =
  | { readonly kind: "hit"; readonly reading: Reading }
  | { readonly kind: "granted"; readonly token: bigint; readonly stale: Reading | undefined }
  | { readonly kind: "held"; readonly retryAfterMs: number; readonly stale: Reading | undefined };

export function readLease(key: string, response: LeaseResponse, sentAtMs: number): LeaseReading {
  const asOf = toAsOf(response.asOf);
  const { outcome } = response;
  switch (outcome.case) {
    case "hit":
      return { kind: "hit", reading: new HitReading(key, asOf, outcome.value, sentAtMs) };
    case "granted": {
      const { token, stale } = outcome.value;
      return { kind: "granted", token, stale: stale && new HitReading(key, asOf, stale, sentAtMs) };
    }
    case "held": {
      const { retryAfterMs, stale } = outcome.value;
      return {
        kind: "held",
        retryAfterMs: Number(retryAfterMs),
        stale: stale && new HitReading(key, asOf, stale, sentAtMs),
      };
    }
    case "released":
    case undefined:
      throw malformed();
    default:
      return outcome satisfies never;
  }
}
