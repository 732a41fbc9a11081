/** Reads the answers of the contract into the client's words. Values stay views of the message they came in. */
import {
  type GetResponse,
  type Hit,
  type InvalidateResponse,
  type LeaseResponse,
  NotStored_Reason,
  type SetResponse,
  type Stamp,
  type TouchResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { CacheError } from "../errors.ts";
import type { OperationReply } from "./call.ts";
import type { AsOf } from "./coherence.ts";
import type { Reading } from "./copy.ts";
import type { RefusalReason } from "./outcomes.ts";

export function toAsOf(stamp: Stamp | undefined): AsOf {
  if (stamp === undefined) throw malformed();
  return { epoch: stamp.epoch, shard: stamp.shard, revision: Number(stamp.revision) };
}

/** An answer that breaks the contract. */
export function malformed(): CacheError {
  return new CacheError("INTERNAL", "the server sent an answer that the contract does not have");
}

interface Answers {
  readonly get: GetResponse;
  readonly set: SetResponse;
  readonly invalidate: InvalidateResponse;
  readonly touch: TouchResponse;
  readonly lease: LeaseResponse;
}

/** The reply to an operation of this kind; anything else breaks the contract. */
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
      return readHit(key, asOf, outcome.value, sentAtMs);
    case "miss":
      return missReading(key, asOf, sentAtMs);
    case "notModified":
      return "notModified";
    case undefined:
      throw malformed();
    default:
      return outcome satisfies never;
  }
}

export function readHit(key: string, asOf: AsOf, hit: Hit, sentAtMs: number): Reading {
  return {
    key,
    kind: hit.absent ? "absent" : "hit",
    asOf,
    readAtMs: sentAtMs,
    freshUntilMs: freshUntilMs(hit, sentAtMs),
    version: Number(hit.version),
    sourceVersion: hit.sourceVersion,
    tags: hit.tags,
    contentType: hit.contentType,
    encoded: hit.absent ? undefined : hit.value,
  };
}

function missReading(key: string, asOf: AsOf, sentAtMs: number): Reading {
  return {
    key,
    kind: "miss",
    asOf,
    readAtMs: sentAtMs,
    // Only a Set ends a miss, and a Set is an event.
    freshUntilMs: Number.POSITIVE_INFINITY,
    version: 0,
    sourceVersion: 0n,
    tags: [],
    contentType: "",
    encoded: undefined,
  };
}

/** The end of the TTL, counted from the moment the request was sent; the server counted it from later on. */
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
  | { readonly kind: "stored"; readonly asOf: AsOf; readonly version: number }
  | { readonly kind: "refused"; readonly asOf: AsOf; readonly reason: RefusalReason };

export function readSet(response: SetResponse): SetReading {
  const asOf = toAsOf(response.asOf);
  const { outcome } = response;
  if (outcome.case === "stored") return { kind: "stored", asOf, version: Number(outcome.value.version) };
  const reason = outcome.case === "notStored" ? REFUSALS[outcome.value.reason] : undefined;
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
      return { kind: "hit", reading: readHit(key, asOf, outcome.value, sentAtMs) };
    case "granted": {
      const { token, stale } = outcome.value;
      return { kind: "granted", token, stale: stale && readHit(key, asOf, stale, sentAtMs) };
    }
    case "held": {
      const { retryAfterMs, stale } = outcome.value;
      return {
        kind: "held",
        retryAfterMs: Number(retryAfterMs),
        stale: stale && readHit(key, asOf, stale, sentAtMs),
      };
    }
    case "released":
    case undefined:
      throw malformed();
    default:
      return outcome satisfies never;
  }
}
