/**
 * What the hot messages are made of, as classes. Literals, `[]` among them, would be cheaper to write, but V8 counts how
 * many of what each of them makes live on: where many calls wait at once, as for a first connection, it takes it for
 * long-lived, makes it in the old generation from then on, and with it keeps all that it leads to until a full
 * collection.
 */

import type {
  BatchResponse,
  ExchangeResponse,
  GetResponse,
  Hit,
  OperationResult,
  SetResponse,
  Stamp,
  Stored,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";

/** The case of a oneof that is set. */
export class Case<Name extends string, Value> {
  readonly case: Name;
  readonly value: Value;

  constructor(name: Name, value: Value) {
    this.case = name;
    this.value = value;
  }
}

const none: never[] = [];

/** A new `[]` that nobody counts. */
export function newArray<Item>(): Item[] {
  return none.slice();
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

/** Of what has none, which is most of what there is; nobody writes to it. */
export const noTags = Object.freeze<string[]>([]) as string[];

/** With the defaults of its fields. */
export class HitMessage implements Hit {
  readonly $typeName = "meshcache.v1.Hit";
  value: Uint8Array = NO_BYTES;
  version = 0n;
  sourceVersion = 0n;
  ttlRemainingMs = 0n;
  staleRemainingMs = 0n;
  stale = false;
  absent = false;
  tags: string[] = noTags;
  contentType = "";
}

export class GetResponseMessage implements GetResponse {
  readonly $typeName = "meshcache.v1.GetResponse";
  outcome: GetResponse["outcome"];
  /** The generated codec takes a property that is there for one that is set. */
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
