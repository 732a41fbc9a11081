/** The one error that meshcache raises on purpose, on either side of the wire. */

/** What went wrong, by its stable reason: `ErrorInfo.reason` on the wire, `CacheError.reason` in code. */
export type CacheErrorReason =
  /** A field is outside its bound. `detail` is `{ field, bound }`. */
  | "FIELD_INVALID"
  /** A limit of the server or of this client is reached. `detail` is `{ limit, bound }`. */
  | "LIMIT_EXCEEDED"
  /** The server does not know who calls: no token or certificate, or none that is valid. */
  | "UNAUTHENTICATED"
  /** The caller may not do this here. `detail` is `{ permission }`. */
  | "PERMISSION_DENIED"
  /** The server is shutting down. */
  | "DRAINING"
  /** No answer arrived in time. The operation may or may not have taken effect. */
  | "DEADLINE"
  /** The server cannot be reached. */
  | "UNAVAILABLE"
  /** The caller cancelled the call. */
  | "CANCELLED"
  /** The client or the stream was closed. */
  | "CLOSED"
  /** A codec refused a value. `detail` is `{ namespace, codec }`. */
  | "CODEC"
  /** A loader took longer than its limit. `detail` is `{ limit, bound }`. */
  | "LOADER_TIMEOUT"
  /** A fault of the program. Its cause is in the log of the side where it happened. */
  | "INTERNAL";

/**
 * Carries no key, no value and no token: `message` and `detail` must not contain anything that a caller sent. `cause`
 * is for the log and never leaves the process.
 */
export class CacheError extends Error {
  override readonly name = "CacheError";
  readonly reason: CacheErrorReason;
  readonly detail: Readonly<Record<string, string>>;
  /** How many milliseconds to wait before another attempt, which may succeed then. 0: nobody has said. */
  readonly retryAfterMs: number;

  constructor(
    reason: CacheErrorReason,
    message: string,
    detail: Readonly<Record<string, string>> = {},
    options: CacheErrorOptions = {},
  ) {
    super(message, options);
    this.reason = reason;
    this.detail = detail;
    this.retryAfterMs = options.retryAfterMs ?? 0;
  }
}

export interface CacheErrorOptions extends ErrorOptions {
  readonly retryAfterMs?: number;
}

/** A field is outside its bound: `fieldInvalid("key", "1 to 512 bytes of UTF-8")`. */
export function fieldInvalid(field: string, bound: string): CacheError {
  return new CacheError("FIELD_INVALID", `${field} must be ${bound}`, { field, bound });
}

/** A quota of the caller is spent: `quotaSpent("operations_per_second", 2_000, 12)`. Nothing has run. */
export function quotaSpent(limit: string, bound: number, retryAfterMs: number): CacheError {
  const detail = { limit, bound: String(bound) };
  return new CacheError("LIMIT_EXCEEDED", `${limit} is limited to ${bound}`, detail, { retryAfterMs });
}

/** The key in the details of an error that says how many milliseconds to wait before another attempt. */
const PUSHBACK_DETAIL = "retry_pushback_ms";

/** The server has more to do than it can. */
export function overloaded(pushbackMs: number): CacheError {
  const detail = { [PUSHBACK_DETAIL]: String(pushbackMs) };
  return new CacheError("UNAVAILABLE", "the server is overloaded", detail);
}

/** How long whoever got this error is to wait before it asks again. 0: the error does not say. */
export function pushbackMsOf(error: unknown): number {
  const text = error instanceof CacheError ? error.detail[PUSHBACK_DETAIL] : undefined;
  return Number(text ?? 0) || 0;
}

/** A limit is reached: `limitExceeded("connections", "10000")`. */
export function limitExceeded(limit: string, bound: string): CacheError {
  return new CacheError("LIMIT_EXCEEDED", `${limit} is limited to ${bound}`, { limit, bound });
}

/** Names of classes as people write them in code, and never data. */
const CLASS_NAME = /^[A-Za-z_$][\w$]{0,63}$/;

/** The name of the class of an error, for where its message must not stand: it may hold a key or a value. */
export function errorNameOf(error: unknown): string {
  if (!(error instanceof Error)) return "no Error";
  return CLASS_NAME.test(error.name) ? error.name : "Error";
}

/** Where an error was thrown, without its message: the first line of its stack. Empty: unknown. */
export function placeOf(error: unknown): string {
  const stack = error instanceof Error ? error.stack : undefined;
  return stack?.split("\n    at ", 2)[1] ?? "";
}
