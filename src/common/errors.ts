/** The one error that meshcache raises on purpose, on either side of the wire. */

/** What went wrong, by its stable reason: `ErrorInfo.reason` on the wire, `CacheError.reason` in code. */
export type CacheErrorReason =
  /** A field breaks its bound. `detail` is `{ field, bound }`. */
  | "FIELD_INVALID"
  /** A limit of the server or of this client is reached. `detail` is `{ limit, bound }`. */
  | "LIMIT_EXCEEDED"
  /** The server is shutting down. */
  | "DRAINING"
  /** There is no answer in time. The operation may or may not have taken effect. */
  | "DEADLINE"
  /** The server cannot be reached. */
  | "UNAVAILABLE"
  /** The caller gave up. */
  | "CANCELLED"
  /** The client or the stream was closed. */
  | "CLOSED"
  /** A codec refused a value. `detail` is `{ namespace, codec }`. */
  | "CODEC"
  /** A loader took longer than it may. `detail` is `{ limit, bound }`. */
  | "LOADER_TIMEOUT"
  /** A fault: the cause is in the log of the side that had it. */
  | "INTERNAL";

/**
 * Carries no key, no value and no token: neither `message` nor `detail` may hold what a caller sent.
 * `cause` stays inside the process and is for its log.
 */
export class CacheError extends Error {
  override readonly name = "CacheError";
  readonly reason: CacheErrorReason;
  readonly detail: Readonly<Record<string, string>>;

  constructor(
    reason: CacheErrorReason,
    message: string,
    detail: Readonly<Record<string, string>> = {},
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.reason = reason;
    this.detail = detail;
  }
}

/** A field breaks its bound: `fieldInvalid("key", "1 to 512 bytes of UTF-8")`. */
export function fieldInvalid(field: string, bound: string): CacheError {
  return new CacheError("FIELD_INVALID", `${field} must be ${bound}`, { field, bound });
}

/** A limit is reached: `limitExceeded("connections", "10000")`. */
export function limitExceeded(limit: string, bound: string): CacheError {
  return new CacheError("LIMIT_EXCEEDED", `${limit} is limited to ${bound}`, { limit, bound });
}
