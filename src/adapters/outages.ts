/** What an adapter does not let a request fail for. */
import { CacheError } from "../common/errors.ts";

/**
 * Whether the cache could not be asked, as against a call that is wrong: FIELD_INVALID, such as for a value that is too large, and
 * CODEC. The client tells of it by `onEvent`.
 */
export function isOutage(error: unknown): error is CacheError {
  return error instanceof CacheError && error.reason !== "FIELD_INVALID" && error.reason !== "CODEC";
}

/** What `run` resolves with, or `instead` when the cache could not be asked. */
export async function unlessOutage<Result>(run: () => Promise<Result>, instead: Result): Promise<Result> {
  try {
    return await run();
  } catch (error) {
    if (isOutage(error)) return instead;
    throw error;
  }
}
