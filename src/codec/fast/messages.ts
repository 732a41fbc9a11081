/**
 * The messages of the hand codec, and their parts, as classes.
 *
 * Object and array literals are avoided, because V8 tracks for each literal how many of its objects survive
 * (allocation site pretenuring). When many calls wait at once, as for a first connection, many survive. V8 then
 * allocates all objects of that literal in the old generation, where they, and all that they refer to, stay until a
 * full collection. It does not track what a class constructor or `slice` allocates.
 */

import type {
  BatchResponse,
  ExchangeResponse,
  GetResponse,
  Hit,
  Incremented,
  IncrementRequest,
  IncrementResponse,
  InvalidateRequest,
  InvalidateResponse,
  LeaseGranted,
  LeaseHeld,
  LeaseReleased,
  LeaseRequest,
  LeaseResponse,
  OperationResult,
  SetResponse,
  Stamp,
  Stored,
  TouchRequest,
  TouchResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { InvalidateRequest_Mode } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";

/** A oneof whose field `case` is set. */
export class Case<Name extends string, Value> {
  readonly case: Name;
  readonly value: Value;

  constructor(name: Name, value: Value) {
    this.case = name;
    this.value = value;
  }
}

/** A oneof without a field that is set. */
export const UNSET: { case: undefined; value?: undefined } = { case: undefined };

const EMPTY_ARRAY: never[] = [];

/** A new empty array, without a literal. */
export function newArray<Item>(): Item[] {
  return EMPTY_ARRAY.slice();
}

export class StampMessage implements Stamp {
  readonly $typeName = "meshcache.v1.Stamp";
  epoch: bigint;
  shard: number;
  revision: bigint;

  constructor(epoch: bigint, shard: number, revision: bigint) {
    this.epoch = epoch;
    this.shard = shard;
    this.revision = revision;
  }
}

/** The tags of an entry that has none. Shared by all of them, and frozen. */
export const NO_TAGS = Object.freeze<string[]>([]) as string[];

/** Its fields begin at their defaults. */
export class HitMessage implements Hit {
  readonly $typeName = "meshcache.v1.Hit";
  value: Uint8Array = NO_BYTES;
  version = 0n;
  sourceVersion = 0n;
  ttlRemainingMs = 0n;
  staleRemainingMs = 0n;
  stale = false;
  absent = false;
  tags: string[] = NO_TAGS;
  contentType = "";
  ageMs = 0n;
  contentEncoding = "";
}

export class GetResponseMessage implements GetResponse {
  readonly $typeName = "meshcache.v1.GetResponse";
  outcome: GetResponse["outcome"];
  /** Declared only: to the generated codec, a property that exists is a field that is set. */
  declare asOf?: Stamp;

  constructor(outcome: GetResponse["outcome"], asOf: Stamp | undefined) {
    this.outcome = outcome;
    if (asOf !== undefined) this.asOf = asOf;
  }
}

export class SetResponseMessage implements SetResponse {
  readonly $typeName = "meshcache.v1.SetResponse";
  outcome: SetResponse["outcome"];
  declare asOf?: Stamp;

  constructor(outcome: SetResponse["outcome"], asOf: Stamp | undefined) {
    this.outcome = outcome;
    if (asOf !== undefined) this.asOf = asOf;
  }
}

export class StoredMessage implements Stored {
  readonly $typeName = "meshcache.v1.Stored";
  version: bigint;

  constructor(version: bigint) {
    this.version = version;
  }
}

/** Its fields begin at their defaults. */
export class IncrementRequestMessage implements IncrementRequest {
  readonly $typeName = "meshcache.v1.IncrementRequest";
  namespace = "";
  key = "";
  delta = 0n;
  initial = 0n;
  ttlMs = 0n;
  staleMs = 0n;
  condition: IncrementRequest["condition"] = UNSET;
  ifEpoch = 0n;
  requestId = 0n;
}

export class IncrementResponseMessage implements IncrementResponse {
  readonly $typeName = "meshcache.v1.IncrementResponse";
  outcome: IncrementResponse["outcome"];
  declare asOf?: Stamp;

  constructor(outcome: IncrementResponse["outcome"], asOf: Stamp | undefined) {
    this.outcome = outcome;
    if (asOf !== undefined) this.asOf = asOf;
  }
}

export class IncrementedMessage implements Incremented {
  readonly $typeName = "meshcache.v1.Incremented";
  value: bigint;
  version: bigint;
  ttlRemainingMs: bigint;
  created: boolean;

  constructor(value: bigint, version: bigint, ttlRemainingMs: bigint, created: boolean) {
    this.value = value;
    this.version = version;
    this.ttlRemainingMs = ttlRemainingMs;
    this.created = created;
  }
}

/** Its fields begin at their defaults. */
export class InvalidateRequestMessage implements InvalidateRequest {
  readonly $typeName = "meshcache.v1.InvalidateRequest";
  namespace = "";
  target: InvalidateRequest["target"] = UNSET;
  mode: InvalidateRequest["mode"] = InvalidateRequest_Mode.UNSPECIFIED;
  sourceVersion = 0n;
}

export class InvalidateResponseMessage implements InvalidateResponse {
  readonly $typeName = "meshcache.v1.InvalidateResponse";
  stamps: Stamp[];
  removed: bigint;

  constructor(stamps: Stamp[], removed: bigint) {
    this.stamps = stamps;
    this.removed = removed;
  }
}

/** Its fields begin at their defaults. */
export class LeaseRequestMessage implements LeaseRequest {
  readonly $typeName = "meshcache.v1.LeaseRequest";
  namespace = "";
  key = "";
  waitMs = 0;
  leaseMs = 0;
  releaseToken = 0n;
}

export class LeaseResponseMessage implements LeaseResponse {
  readonly $typeName = "meshcache.v1.LeaseResponse";
  outcome: LeaseResponse["outcome"];
  declare asOf?: Stamp;

  constructor(outcome: LeaseResponse["outcome"], asOf: Stamp | undefined) {
    this.outcome = outcome;
    if (asOf !== undefined) this.asOf = asOf;
  }
}

export class LeaseGrantedMessage implements LeaseGranted {
  readonly $typeName = "meshcache.v1.LeaseGranted";
  token: bigint;
  leaseMs: bigint;
  declare stale?: Hit;

  constructor(token: bigint, leaseMs: bigint, stale: Hit | undefined) {
    this.token = token;
    this.leaseMs = leaseMs;
    if (stale !== undefined) this.stale = stale;
  }
}

export class LeaseHeldMessage implements LeaseHeld {
  readonly $typeName = "meshcache.v1.LeaseHeld";
  retryAfterMs: bigint;
  declare stale?: Hit;

  constructor(retryAfterMs: bigint, stale: Hit | undefined) {
    this.retryAfterMs = retryAfterMs;
    if (stale !== undefined) this.stale = stale;
  }
}

export class LeaseReleasedMessage implements LeaseReleased {
  readonly $typeName = "meshcache.v1.LeaseReleased";
  released: boolean;

  constructor(released: boolean) {
    this.released = released;
  }
}

/** Its fields begin at their defaults. */
export class TouchRequestMessage implements TouchRequest {
  readonly $typeName = "meshcache.v1.TouchRequest";
  namespace = "";
  key = "";
  ttlMs = 0n;
  staleMs = 0n;
}

export class TouchResponseMessage implements TouchResponse {
  readonly $typeName = "meshcache.v1.TouchResponse";
  touched: boolean;
  declare asOf?: Stamp;

  constructor(touched: boolean, asOf: Stamp | undefined) {
    this.touched = touched;
    if (asOf !== undefined) this.asOf = asOf;
  }
}

export class OperationResultMessage implements OperationResult {
  readonly $typeName = "meshcache.v1.OperationResult";
  result: OperationResult["result"];

  constructor(result: OperationResult["result"]) {
    this.result = result;
  }
}

export class BatchResponseMessage implements BatchResponse {
  readonly $typeName = "meshcache.v1.BatchResponse";
  results: OperationResult[];

  constructor(results: OperationResult[]) {
    this.results = results;
  }
}

export class ExchangeResponseMessage implements ExchangeResponse {
  readonly $typeName = "meshcache.v1.ExchangeResponse";
  id: bigint;
  frame: ExchangeResponse["frame"];
  sequence: bigint;
  more: boolean;

  constructor(id: bigint, frame: ExchangeResponse["frame"], sequence: bigint, more: boolean) {
    this.id = id;
    this.frame = frame;
    this.sequence = sequence;
    this.more = more;
  }
}
