/**
 * Builds the operations of the contract. Without `create`, which takes longer, since one is made for every call. Those of
 * reads and Sets are classes and no literals, for the reason that codec/fast/messages.ts gives.
 */
import {
  type BatchRequest,
  type ExchangeRequest,
  type GetRequest,
  type IncrementRequest,
  type InvalidateRequest,
  InvalidateRequest_Mode,
  type Operation,
  type SetRequest,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { Case, IncrementRequestMessage } from "../../codec/fast/messages.ts";
import type { EntryVersion } from "../api/results.ts";

/** When a Set may store. Unset: always. */
export type SetCondition = SetRequest["condition"];
/** When an Increment may add. Unset: always. */
export type IncrementCondition = IncrementRequest["condition"];
export type InvalidateTarget = InvalidateRequest["target"];

export interface SetArguments {
  readonly key: string;
  readonly value: Uint8Array;
  readonly absent: boolean;
  readonly contentType: string;
  readonly contentEncoding: string;
  readonly ttlMs: number;
  readonly staleMs: number;
  /** The message keeps this array: nobody may change it later. */
  readonly tags: string[];
  readonly sourceVersion: bigint;
  readonly condition: SetCondition;
  /** The epoch of the version in the condition `ifVersion`; else 0n. */
  readonly ifEpoch: bigint;
  readonly requestId: bigint;
}

class OperationMessage implements Operation {
  readonly $typeName = "meshcache.v1.Operation";
  operation: Operation["operation"];
  traceparent = "";

  constructor(body: Operation["operation"]) {
    this.operation = body;
  }
}

const operation = (body: Operation["operation"]): Operation => new OperationMessage(body);

class GetRequestMessage implements GetRequest {
  readonly $typeName = "meshcache.v1.GetRequest";
  namespace = "";
  key: string;
  ifVersion: bigint;
  allowStale: boolean;
  ifEpoch: bigint;

  constructor(key: string, allowStale: boolean, known: EntryVersion | undefined) {
    this.key = key;
    this.ifVersion = known === undefined ? 0n : BigInt(known.revision);
    this.allowStale = allowStale;
    this.ifEpoch = known?.epoch ?? 0n;
  }
}

class SetRequestMessage implements SetRequest {
  readonly $typeName = "meshcache.v1.SetRequest";
  namespace = "";
  key: string;
  value: Uint8Array;
  ttlMs: bigint;
  staleMs: bigint;
  tags: string[];
  contentType: string;
  absent: boolean;
  sourceVersion: bigint;
  condition: SetCondition;
  ifEpoch: bigint;
  requestId: bigint;
  contentEncoding: string;

  constructor(set: SetArguments) {
    this.key = set.key;
    this.value = set.value;
    this.ttlMs = BigInt(set.ttlMs);
    this.staleMs = BigInt(set.staleMs);
    this.tags = set.tags;
    this.contentType = set.contentType;
    this.absent = set.absent;
    this.sourceVersion = set.sourceVersion;
    this.condition = set.condition;
    this.ifEpoch = set.ifEpoch;
    this.requestId = set.requestId;
    this.contentEncoding = set.contentEncoding;
  }
}

class BatchRequestMessage implements BatchRequest {
  readonly $typeName = "meshcache.v1.BatchRequest";
  namespace: string;
  operations: Operation[];

  constructor(namespace: string, operations: Operation[]) {
    this.namespace = namespace;
    this.operations = operations;
  }
}

export class ExchangeRequestMessage implements ExchangeRequest {
  readonly $typeName = "meshcache.v1.ExchangeRequest";
  id: bigint;
  frame: ExchangeRequest["frame"];

  constructor(id: bigint, frame: ExchangeRequest["frame"]) {
    this.id = id;
    this.frame = frame;
  }
}

export function batchFrame(namespace: string, operations: Operation[]): ExchangeRequest["frame"] {
  return new Case("batch", new BatchRequestMessage(namespace, operations));
}

export function getOperation(key: string, allowStale: boolean, known?: EntryVersion): Operation {
  return operation(new Case("get", new GetRequestMessage(key, allowStale, known)));
}

export function setOperation(set: SetArguments): Operation {
  return operation(new Case("set", new SetRequestMessage(set)));
}

export function invalidateOperation(
  target: InvalidateTarget,
  soft: boolean,
  sourceVersion: bigint,
): Operation {
  return operation({
    case: "invalidate",
    value: {
      $typeName: "meshcache.v1.InvalidateRequest",
      namespace: "",
      target,
      mode: soft ? InvalidateRequest_Mode.SOFT : InvalidateRequest_Mode.HARD,
      sourceVersion,
    },
  });
}

export function touchOperation(key: string, ttlMs: number, staleMs: number): Operation {
  return operation({
    case: "touch",
    value: {
      $typeName: "meshcache.v1.TouchRequest",
      namespace: "",
      key,
      ttlMs: BigInt(ttlMs),
      staleMs: BigInt(staleMs),
    },
  });
}

export interface IncrementArguments {
  readonly key: string;
  readonly delta: bigint;
  readonly initial: bigint;
  readonly ttlMs: number;
  readonly staleMs: number;
  readonly condition: IncrementCondition;
  readonly ifEpoch: bigint;
  readonly requestId: bigint;
}

export function incrementOperation(increment: IncrementArguments): Operation {
  const request = new IncrementRequestMessage();
  request.key = increment.key;
  request.delta = increment.delta;
  request.initial = increment.initial;
  request.ttlMs = BigInt(increment.ttlMs);
  request.staleMs = BigInt(increment.staleMs);
  request.condition = increment.condition;
  request.ifEpoch = increment.ifEpoch;
  request.requestId = increment.requestId;
  return operation(new Case("increment", request));
}

/** Says in a retry in which epoch it was sent before: what has begun again since does not know its request id. */
export function markRetry({ operation: body }: Operation, epoch: bigint): void {
  if (body.case !== "set" && body.case !== "increment") return;
  if (body.value.condition.case !== "ifVersion") body.value.ifEpoch = epoch;
}

export function listKeysOperation(prefix: string, maxKeys: number, pageToken: Uint8Array): Operation {
  return operation({
    case: "listKeys",
    value: { $typeName: "meshcache.v1.ListKeysRequest", namespace: "", prefix, maxKeys, pageToken },
  });
}

export function leaseOperation(key: string, waitMs: number, leaseMs: number): Operation {
  return operation({
    case: "lease",
    value: {
      $typeName: "meshcache.v1.LeaseRequest",
      namespace: "",
      key,
      waitMs,
      leaseMs,
      releaseToken: 0n,
    },
  });
}

export function releaseOperation(key: string, token: bigint): Operation {
  return operation({
    case: "lease",
    value: {
      $typeName: "meshcache.v1.LeaseRequest",
      namespace: "",
      key,
      waitMs: 0,
      leaseMs: 0,
      releaseToken: token,
    },
  });
}

/** What an operation takes beside its text and its value, at most, with the envelope of the message around it. */
const OPERATION_OVERHEAD_BYTES = 192;
/** So no message of the client has more keys than servers take: they bound the fields of a request. */
const KEY_MIN_BYTES = 80;
/** A UTF-16 unit is at most three bytes of UTF-8. */
const textBytes = (text: string): number => text.length * 3;

/** At most what the operation takes in a message, in bytes. */
export function operationBytes(namespace: string, { operation: body }: Operation): number {
  let bytes = OPERATION_OVERHEAD_BYTES + namespace.length;
  switch (body.case) {
    case "get":
    case "touch":
    case "lease":
    case "increment":
      return bytes + textBytes(body.value.key);
    case "listKeys":
      return bytes + textBytes(body.value.prefix);
    case "set":
      for (const tag of body.value.tags) bytes += textBytes(tag) + 4;
      return bytes + textBytes(body.value.key) + body.value.contentType.length + body.value.value.length;
    case "invalidate": {
      const { target } = body.value;
      if (target.case === "keys")
        for (const key of target.value.keys) bytes += Math.max(textBytes(key) + 4, KEY_MIN_BYTES);
      if (target.case === "tags") for (const tag of target.value.tags) bytes += textBytes(tag) + 4;
      return bytes + (target.case === "prefix" ? textBytes(target.value) : 0);
    }
    case undefined:
      return bytes;
    default:
      return body satisfies never;
  }
}

/** The bytes that the server counts of an operation for its bound of a batch (`Limits.batch_max_bytes`). */
export function countedBytes({ operation: body }: Operation): number {
  switch (body.case) {
    case "get":
    case "touch":
    case "lease":
    case "increment":
      return body.value.key.length;
    case "listKeys":
      return body.value.prefix.length;
    case "set":
      return body.value.key.length + body.value.value.length + countedLengths(body.value.tags);
    case "invalidate": {
      const { target } = body.value;
      if (target.case === "keys") return countedLengths(target.value.keys);
      return target.case === "tags" ? countedLengths(target.value.tags) : 0;
    }
    case undefined:
      return 0;
    default:
      return body satisfies never;
  }
}

function countedLengths(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length + 2;
  return sum;
}
