/** Upper estimates of the encoded size of batch operations and their results, made without encoding them. */
import type {
  BatchRequest,
  BatchResponse,
  InvalidateRequest,
  Operation,
  OperationResult,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { StoredGetResponse } from "../../rpc/get.ts";
import type { Limits } from "../../rpc/limits.ts";
import type { EntryView, GetResult } from "../../store/api/store.ts";
import { INVALIDATE_WORK_BYTES, KEY_WORK_BYTES, LEASE_WORK_BYTES, PAGE_WORK_BYTES } from "../limits/work.ts";

/** An error with its framing. Any other result takes at most this and what `extraBytesOf` counts. */
export const RESULT_MIN_BYTES = 256;
/** A stamp, versions, lifetimes and a token with their framing. */
const ANSWER_MIN_BYTES = 112;
/** A frame without its results. */
export const ENVELOPE_BYTES = 32;
const STAMP_BYTES = 24;
/** A key of a listing beside its text: a version, a size and lifetimes with their framing. */
const LISTED_BYTES = 64;
const UTF8_BYTES_PER_UNIT = 3;

/** Throws FIELD_INVALID when the batch is refused as a whole. */
export function checkBatch({ operations }: BatchRequest, limits: Limits): void {
  if (operations.length === 0 || operations.length > limits.batchMaxOperations) {
    throw fieldInvalid("operations", `1 to ${limits.batchMaxOperations} operations`);
  }
  let bytes = 0;
  for (const operation of operations) bytes += requestBytesOf(operation);
  if (bytes > limits.batchMaxBytes) {
    throw fieldInvalid("operations", `at most ${limits.batchMaxBytes} bytes of keys, tags and values`);
  }
}

/** Counts text by its UTF-16 units: the bound is there for the values, which are most of the bytes. */
function requestBytesOf({ operation }: Operation): number {
  switch (operation.case) {
    case "set":
      return operation.value.key.length + operation.value.value.length + lengths(operation.value.tags);
    case "invalidate": {
      const { target } = operation.value;
      if (target.case === "keys") return lengths(target.value.keys);
      return target.case === "tags" ? lengths(target.value.tags) : 0;
    }
    case "get":
    case "touch":
    case "lease":
    case "increment":
      return operation.value.key.length;
    case "listKeys":
      return operation.value.prefix.length;
    case undefined:
      return 0;
    default:
      return operation satisfies never;
  }
}

/** What an operation costs beside itself, in bytes that are copied in the same time. */
export function workBytesOf(operation: Operation["operation"]): number {
  switch (operation.case) {
    case "set":
      return operation.value.value.length;
    case "listKeys":
      return PAGE_WORK_BYTES;
    case "lease":
      return LEASE_WORK_BYTES;
    case "invalidate":
      return INVALIDATE_WORK_BYTES + KEY_WORK_BYTES * targetsOf(operation.value);
    default:
      return 0;
  }
}

function targetsOf({ target }: InvalidateRequest): number {
  if (target.case === "keys") return target.value.keys.length;
  return target.case === "tags" ? target.value.tags.length : 1;
}

/** The most that the result takes. */
export function resultBytesOf(result: OperationResult["result"]): number {
  return result.case === "error" ? RESULT_MIN_BYTES : ANSWER_MIN_BYTES + extraBytesOf(result);
}

/** The most that the result takes beyond RESULT_MIN_BYTES. */
export function extraBytesOf(result: OperationResult["result"]): number {
  switch (result.case) {
    case "get":
    case "lease": {
      if (result.value instanceof StoredGetResponse) return storedBytes(result.value.result);
      const { outcome } = result.value;
      if (outcome.case === "hit") return hitBytes(outcome.value);
      return outcome.case === "granted" || outcome.case === "held" ? hitBytes(outcome.value.stale) : 0;
    }
    case "invalidate":
      return result.value.stamps.length * STAMP_BYTES;
    case "listKeys": {
      const { keys, stamps } = result.value;
      let bytes = stamps.length * STAMP_BYTES;
      for (const { key } of keys) bytes += UTF8_BYTES_PER_UNIT * key.length + LISTED_BYTES;
      return bytes;
    }
    default:
      return 0;
  }
}

/** The most that all results take. */
export function resultsBytesOf({ results }: BatchResponse): number {
  let bytes = 0;
  for (const { result } of results) bytes += resultBytesOf(result);
  return bytes;
}

function storedBytes(result: GetResult): number {
  return result.kind === "hit" ? hitBytes(result.entry) : 0;
}

function hitBytes(
  hit: Pick<EntryView, "value" | "contentType" | "contentEncoding" | "tags"> | undefined,
): number {
  if (hit === undefined) return 0;
  const labels = hit.contentType.length + hit.contentEncoding.length;
  return hit.value.length + labels + UTF8_BYTES_PER_UNIT * lengths(hit.tags);
}

function lengths(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length + 2;
  return sum;
}
