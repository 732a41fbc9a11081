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

/** The connection that a call came on. */
export interface CallOrigin {
  /** The address of its peer, without the port. */
  readonly host: string;
}

/** Knows tokens that are no static ones. `digest`: the hash of the token. A CacheError: it was not looked at. */
export interface TokenVerifier {
  verify(
    token: string,
    digest: string,
    connection: CallOrigin | undefined,
  ): Principal | "unknown" | "expired" | "unavailable" | CacheError;
}

/** No token has more: it would only cost time to hash it. */
const TOKEN_MAX_BYTES = 8_192;
/** "Bearer" and a token of the characters of RFC 6750, section 2.1. Two headers are joined by a comma, which is none. */
const BEARER = /^bearer ([A-Za-z0-9._~+/-]+=*)$/i;

/** Is told of each refusal: why, where it came from, and which principal it was of, if that is known. */
export type RefusalListener = (
  why: AuthenticationFailure,
  from: CallOrigin | undefined,
  principal?: string,
) => void;

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
  readonly #refused: RefusalListener;
  #tokens: StaticTokens | undefined;

  /** Both are undefined when no call may have a token. */
  constructor(
    tokens: StaticTokens | undefined,
    verifier?: TokenVerifier,
    permissions?: Permissions,
    wallNow: () => number = Date.now,
    refused: RefusalListener = () => {},
  ) {
    this.#tokens = tokens;
    this.#verifier = verifier;
    this.#permissions = permissions;
    this.#wallNow = wallNow;
    this.#refused = refused;
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
    connection?: CallOrigin,
  ): Principal | CacheError | undefined {
    if (peer !== undefined && !this.isValid(peer)) return this.#refuseInvalid(peer, connection);
    if (peer?.refusal !== undefined) return peer.refusal;
    const takesTokens = this.#tokens !== undefined || this.#verifier !== undefined;
    if (authorization !== undefined && takesTokens) {
      const found = this.#ofToken(authorization, connection);
      if (found instanceof CacheError) return found;
      return this.differenceOf(found, peer, connection) ?? this.withAccess(found);
    }
    if (peer !== undefined) return this.withAccess(peer);
    return path.startsWith(OPEN_PATHS) ? undefined : this.#refuse("absent", connection);
  }

  isValid(principal: Principal): boolean {
    return principal.isValid(this.#wallNow());
  }

  /**
   * Asked again and again for calls that last: what one ends with that is of this principal, on a connection of `peer`. Undefined:
   * both are valid.
   */
  expiryOf(
    principal: Principal,
    peer: Principal | undefined,
    connection?: CallOrigin,
  ): CacheError | undefined {
    if (peer !== undefined && !this.isValid(peer)) return this.#refuseInvalid(peer, connection);
    return this.isValid(principal) ? undefined : this.#refuseInvalid(principal, connection);
  }

  /** Asked for such calls when the permissions are others. Undefined: both are still the same for the policy. */
  differenceOf(
    principal: Principal,
    peer: Principal | undefined,
    connection?: CallOrigin,
  ): CacheError | undefined {
    if (peer === undefined || peer === principal) return undefined;
    const isSame = this.#permissions?.isSame(peer.name, principal.name) !== false;
    return isSame ? undefined : this.#refuse("different", connection, peer.name);
  }

  /** Gives the principal its permissions. */
  withAccess(principal: Principal): Principal {
    principal.access ??= this.#permissions?.accessOf(principal.name);
    return principal;
  }

  #ofToken(authorization: string, connection: CallOrigin | undefined): Principal | CacheError {
    const [, token] = authorization.length > TOKEN_MAX_BYTES ? [] : (BEARER.exec(authorization) ?? []);
    if (token === undefined) return this.#refuse("malformed", connection);
    const digest = digestOf(token);
    const found = this.#tokens?.get(digest) ?? this.#verifier?.verify(token, digest, connection) ?? "unknown";
    if (found instanceof CacheError) {
      this.#count("throttled", connection);
      return found;
    }
    if (typeof found === "string") return this.#refuse(found, connection);
    return this.isValid(found) ? found : this.#refuseInvalid(found, connection);
  }

  #refuseInvalid(principal: Principal, connection: CallOrigin | undefined): CacheError {
    return this.#refuse(principal.isUnknown ? "unavailable" : "expired", connection, principal.name);
  }

  #refuse(
    why: Exclude<AuthenticationFailure, "throttled">,
    connection: CallOrigin | undefined,
    principal?: string,
  ): CacheError {
    this.#count(why, connection, principal);
    return new CacheError(why === "unavailable" ? "UNAVAILABLE" : "UNAUTHENTICATED", MESSAGES[why]);
  }

  #count(why: AuthenticationFailure, connection: CallOrigin | undefined, principal?: string): void {
    this.failures[why] += 1;
    this.#refused(why, connection, principal);
  }
}

const MESSAGES: Readonly<Record<Exclude<AuthenticationFailure, "throttled">, string>> = {
  absent: "the call has no token, and its connection no client certificate",
  malformed: "the authorization header must be one Bearer token",
  unknown: "the token is not known",
  different: "the token and the client certificate are of different principals",
  unavailable: "the keys of the token's issuer are not known now",
  expired: "the token or the certificate is not valid any more",
};
