/** Decides who a call is of, by its connection and its `authorization` header. */
import { CacheError } from "../../common/errors.ts";
import type { Principal } from "./principal.ts";
import { digestOf, replaceTokens, type StaticTokens } from "./static-tokens.ts";

/** Why calls were refused. */
export type AuthenticationFailure = "absent" | "malformed" | "unknown" | "expired";

/** No token has more: it would only cost time to hash it. */
const TOKEN_MAX_BYTES = 8_192;
/** "Bearer" and a token of the characters of RFC 6750, section 2.1. Two headers are joined by a comma, which is none. */
const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i;

/** Answers without an identity: probes have none, and learn nothing. */
const OPEN_PATHS = "/grpc.health.v1.Health/";

export class Authenticator {
  readonly failures: Record<AuthenticationFailure, number> = {
    absent: 0,
    malformed: 0,
    unknown: 0,
    expired: 0,
  };
  readonly #wallNow: () => number;
  #tokens: StaticTokens | undefined;

  /** `tokens`: undefined when no call may have one. */
  constructor(tokens: StaticTokens | undefined, wallNow: () => number = Date.now) {
    this.#tokens = tokens;
    this.#wallNow = wallNow;
  }

  /** Tokens that are not in this list are revoked. */
  replaceTokens(tokens: StaticTokens): void {
    this.#tokens = replaceTokens(this.#tokens ?? new Map(), tokens);
  }

  /**
   * The principal of a call, or UNAUTHENTICATED. `peer` is that of its connection. A call with a token of its own is of that
   * token, and the connection's certificate must be valid all the same. Undefined: the call needs no identity.
   */
  authenticate(
    path: string,
    authorization: string | undefined,
    peer: Principal | undefined,
  ): Principal | CacheError | undefined {
    if (peer !== undefined && !this.isValid(peer)) return this.#refuse("expired");
    if (authorization !== undefined && this.#tokens !== undefined)
      return this.#ofToken(authorization, this.#tokens);
    if (peer !== undefined) return peer;
    return path.startsWith(OPEN_PATHS) ? undefined : this.#refuse("absent");
  }

  /** Asked again and again for calls that last. */
  isValid(principal: Principal): boolean {
    return principal.isValid(this.#wallNow());
  }

  /** What a call gets whose principal is not valid any more. */
  expired(): CacheError {
    return this.#refuse("expired");
  }

  #ofToken(authorization: string, tokens: StaticTokens): Principal | CacheError {
    const [, token] = authorization.length > TOKEN_MAX_BYTES ? [] : (BEARER.exec(authorization) ?? []);
    if (token === undefined) return this.#refuse("malformed");
    const principal = tokens.get(digestOf(token));
    if (principal === undefined) return this.#refuse("unknown");
    return this.isValid(principal) ? principal : this.#refuse("expired");
  }

  #refuse(why: AuthenticationFailure): CacheError {
    this.failures[why] += 1;
    return new CacheError("UNAUTHENTICATED", MESSAGES[why]);
  }
}

const MESSAGES: Readonly<Record<AuthenticationFailure, string>> = {
  absent: "the call has no token, and its connection no client certificate",
  malformed: "the authorization header must be one Bearer token",
  unknown: "the token is not known",
  expired: "the token or the certificate is not valid any more",
};
