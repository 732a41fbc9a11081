/** The errors that the connection itself fails calls with. */
import { CacheError } from "../../common/errors.ts";

export function unavailable(message: string, cause?: unknown): CacheError {
  return new CacheError("UNAVAILABLE", message, {}, { cause });
}

/** What a call fails with when it was refused for `cause`: an error of its own, or else a fault. */
export function toCallError(message: string, cause: unknown): CacheError {
  return cause instanceof CacheError ? cause : new CacheError("INTERNAL", message, {}, { cause });
}
