/** The token of a connection: where it comes from, and when the connection has to be replaced for the next one. */
import { Buffer } from "node:buffer";
import { CacheError, fieldInvalid } from "../../common/errors.ts";

export type TokenSource = () => string | Promise<string>;

const TOKEN = /^[\x21-\x7e]{1,8192}$/;
/** A connection is replaced so long before its token expires, or earlier by a fifth of a shorter time. */
const RENEWAL_MS = 30_000;
const RENEWAL_SHARE = 0.2;
/** The longest time that a timer can count. */
const TIMER_MAX_MS = 2 ** 31 - 1;

/** Rejects with UNAUTHENTICATED when there is none, or FIELD_INVALID for what cannot be one. */
export async function readToken(source: TokenSource): Promise<string> {
  let token: unknown;
  try {
    token = await source();
  } catch (cause) {
    throw new CacheError("UNAUTHENTICATED", "the function `token` gave none", {}, { cause });
  }
  if (typeof token === "string" && TOKEN.test(token)) return token;
  throw fieldInvalid("token", "a function that gives 1 to 8192 characters without spaces");
}

/** How long a connection with this token may go on until it is to be replaced. Undefined: the token does not say. */
export function renewAfterMs(token: string, wallNowMs: number): number | undefined {
  const [, payload = "", signature] = token.split(".");
  if (signature === undefined) return undefined;
  let claims: unknown;
  try {
    claims = JSON.parse(Buffer.from(payload, "base64url").toString());
  } catch {
    return undefined;
  }
  if (typeof claims !== "object" || claims === null || !("exp" in claims)) return undefined;
  const leftMs = Number(claims.exp) * 1_000 - wallNowMs;
  if (!Number.isFinite(leftMs)) return undefined;
  return Math.min(Math.max(0, leftMs - Math.min(RENEWAL_MS, leftMs * RENEWAL_SHARE)), TIMER_MAX_MS);
}
