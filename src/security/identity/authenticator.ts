/** Decides who a call is of, by its connection and its `authorization` header. */
import { CacheError } from "../../common/errors.ts";
import type { Access } from "../access/access.ts";
import type { Principal } from "./principal.ts";
import { digestOf, replaceTokens, type StaticTokens } from "./static-tokens.ts";

/** The permissions of principals. */
export interface Permissions {
  accessOf(principal: string): Access;
  /** Whether both are the same for the policy. */
  isSame(one: string, other: string): boolean;
}

/** Why calls were refused. */
export type AuthenticationFailure =
  | "absent"
  | "malformed"
  | "unknown"
  | "expired"
  | "unavailable"
  | "different"
  | "throttled";

/** Knows tokens that are no static ones. `digest`: the hash of the token. A CacheError: it was not looked at. */
export interface TokenVerifier {
  verify(
    token: string,
    digest: string,
    connection: object | undefined,
  ): Principal | "unknown" | "expired" | "unavailable" | CacheError;
}

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
    unavailable: 0,
    different: 0,
    throttled: 0,
  };
  readonly #wallNow: () => number;
  readonly #verifier: TokenVerifier | undefined;
  readonly #permissions: Permissions | undefined;
  #tokens: StaticTokens | undefined;

  /** Both are undefined when no call may have a token. */
  constructor(
    tokens: StaticTokens | undefined,
    verifier?: TokenVerifier,
    permissions?: Permissions,
    wallNow: () => number = Date.now,
  ) {
    this.#tokens = tokens;
    this.#verifier = verifier;
    this.#permissions = permissions;
    this.#wallNow = wallNow;
  }

  /** Tokens that are not in this list are revoked. */
  replaceTokens(tokens: StaticTokens): void {
    this.#tokens = replaceTokens(this.#tokens ?? new Map(), tokens);
  }

  /**
   * The principal of a call, or UNAUTHENTICATED, or what its connection was refused with. `peer` is that of its connection. A call with a token of its own is of that
   * token, and the connection's certificate must be valid all the same. Undefined: the call needs no identity.
   */
  authenticate(
    path: string,
    authorization: string | undefined,
    peer: Principal | undefined,
    connection?: object,
  ): Principal | CacheError | undefined {
    if (peer !== undefined && !this.isValid(peer)) return this.#refuse("expired");
    if (peer?.refusal !== undefined) return peer.refusal;
    const takesTokens = this.#tokens !== undefined || this.#verifier !== undefined;
    if (authorization !== undefined && takesTokens) {
      const found = this.#ofToken(authorization, connection);
      if (found instanceof CacheError) return found;
      const isOther = peer !== undefined && this.#permissions?.isSame(peer.name, found.name) === false;
      return isOther ? this.#refuse("different") : this.withAccess(found);
    }
    if (peer !== undefined) return this.withAccess(peer);
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

  /** Gives the principal its permissions. */
  withAccess(principal: Principal): Principal {
    principal.access ??= this.#permissions?.accessOf(principal.name);
    return principal;
  }

  #ofToken(authorization: string, connection: object | undefined): Principal | CacheError {
    const [, token] = authorization.length > TOKEN_MAX_BYTES ? [] : (BEARER.exec(authorization) ?? []);
    if (token === undefined) return this.#refuse("malformed");
    const digest = digestOf(token);
    const found = this.#tokens?.get(digest) ?? this.#verifier?.verify(token, digest, connection) ?? "unknown";
    if (found instanceof CacheError) {
      this.failures.throttled += 1;
      return found;
    }
    if (typeof found === "string") return this.#refuse(found);
    return this.isValid(found) ? found : this.#refuse("expired");
  }

  #refuse(why: Exclude<AuthenticationFailure, "throttled">): CacheError {
    this.failures[why] += 1;
    return new CacheError(why === "unavailable" ? "UNAVAILABLE" : "UNAUTHENTICATED", MESSAGES[why]);
  }
}

const MESSAGES: Readonly<Record<Exclude<AuthenticationFailure, "throttled">, string>> = {
  absent: "the call has no token, and its connection no client certificate",
  malformed: "the authorization header must be one Bearer token",
  unknown: "the token is not known",
  different: "the token and the client certificate are of different principals",
  unavailable: "the keys of the token's issuer are not known yet",
  expired: "the token or the certificate is not valid any more",
};
