/** The bytes of operations that a quota counts: keys, tags and values of requests, and values and keys of answers. Text by its UTF-16 units. */
import type { InvalidateRequest, SetRequest } from "../../gen/meshcache/v1/cache_pb.ts";
import type { GetCommand, GetResult, LeaseResult, ListKeysResult } from "../store/api/store.ts";

export function setBytes({ key, value, tags }: SetRequest): number {
  return key.length + value.length + lengths(tags);
}

export function invalidateBytes({ target }: InvalidateRequest): number {
  switch (target.case) {
    case "keys":
      return lengths(target.value.keys);
    case "tags":
      return lengths(target.value.tags);
    case "prefix":
      return target.value.length;
    case "all":
    case undefined:
      return 0;
    default:
      return target satisfies never;
  }
}

export function getBytes({ key }: GetCommand, result: GetResult): number {
  return key.length + (result.kind === "hit" ? result.entry.value.length : 0);
}

/** Of the answer. */
export function leaseBytes(result: LeaseResult): number {
  const entry = result.kind === "hit" ? result.entry : result.stale;
  return entry === undefined ? 0 : entry.value.length;
}

/** The keys of a page. */
export function listedBytes({ keys }: ListKeysResult): number {
  let sum = 0;
  for (const { key } of keys) sum += key.length;
  return sum;
}

function lengths(texts: readonly string[]): number {
  let sum = 0;
  for (const text of texts) sum += text.length;
  return sum;
}
