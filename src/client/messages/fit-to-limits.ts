/**
 * Holds an operation to a server's limits once it is made: before it goes to another server than the one whose limits its
 * arguments were checked with.
 */
import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../../common/errors.ts";
import {
  checkContentEncoding,
  checkContentType,
  checkEntryTags,
  checkKey,
  checkKeys,
  checkLifetimeMs,
  checkNamespace,
  checkPrefix,
  checkTags,
  checkValue,
} from "../api/checks.ts";
import type { ServerLimits } from "../api/server-limits.ts";

/**
 * Shortens what may be shorter, a lease and the wait for one. Throws FIELD_INVALID naming the field and the bound for
 * anything else that the server would refuse.
 */
export function fitToLimits(namespace: string, { operation }: Operation, limits: ServerLimits): void {
  checkNamespace(namespace, limits);
  switch (operation.case) {
    case "get":
      checkKey(operation.value.key, limits);
      return;
    case "set": {
      const { key, value, tags, contentType, contentEncoding, ttlMs, staleMs } = operation.value;
      checkKey(key, limits);
      checkValue(value, limits);
      checkEntryTags(tags, limits);
      checkContentType(contentType, limits);
      checkContentEncoding(contentEncoding, limits);
      checkLifetimes(ttlMs, staleMs, limits);
      return;
    }
    case "touch":
    case "increment":
      checkKey(operation.value.key, limits);
      checkLifetimes(operation.value.ttlMs, operation.value.staleMs, limits);
      return;
    case "listKeys":
      if (operation.value.prefix !== "") checkPrefix(operation.value.prefix, limits);
      return;
    case "lease":
      checkKey(operation.value.key, limits);
      operation.value.waitMs = Math.min(operation.value.waitMs, limits.leaseWaitMaxMs);
      operation.value.leaseMs = Math.min(operation.value.leaseMs, limits.leaseMaxMs);
      return;
    case "invalidate": {
      const { target } = operation.value;
      if (target.case === "keys") {
        checkCount("keys", checkKeys(target.value.keys, limits).length, limits.invalidateMaxKeys);
      } else if (target.case === "tags") {
        checkCount("tags", checkTags(target.value.tags, limits).length, limits.invalidateMaxTags);
      } else if (target.case === "prefix") checkPrefix(target.value, limits);
      return;
    }
    case undefined:
      return;
    default:
      operation satisfies never;
  }
}

function checkLifetimes(ttlMs: bigint, staleMs: bigint, limits: ServerLimits): void {
  checkLifetimeMs("ttlMs", Number(ttlMs), 0, limits);
  checkLifetimeMs("staleMs", Number(staleMs), 0, limits);
}

function checkCount(field: string, count: number, most: number): void {
  if (count > most) throw fieldInvalid(field, `at most ${most} in one message`);
}
