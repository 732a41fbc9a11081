/** Tells a cache that failed from a caller or a loader that did. */
import { CacheError } from "../../common/errors.ts";

/** Whether something was not there by its deadline. */
export function isDeadline(error: unknown): error is CacheError {
  return error instanceof CacheError && error.reason === "DEADLINE";
}

/** Whether the cache failed, and not the caller or the loader: the load can go on without the cache. */
export function isOutage(error: unknown): error is CacheError {
  if (!(error instanceof CacheError)) return false;
  switch (error.reason) {
    case "UNAVAILABLE":
    case "DEADLINE":
    case "LIMIT_EXCEEDED":
    case "DRAINING":
    // A token that expired must not stop the services that use the cache.
    case "UNAUTHENTICATED":
    case "INTERNAL":
      return true;
    case "FIELD_INVALID":
    case "PERMISSION_DENIED":
    case "CANCELLED":
    case "CLOSED":
    case "CODEC":
    case "LOADER_TIMEOUT":
      return false;
    default:
      return error.reason satisfies never;
  }
}
