/**
 * Verifies JSON Web Tokens (RFC 7519, RFC 8725) of several issuers. Verified ones are remembered by their hash until they expire
 * or their key is gone: to verify costs more than a call.
 *
 * It is synchronous, with the functions of `node:crypto`: a call that had to wait for its identity would need a place where it
 * waits, in each kind of call.
 */
import { Buffer } from "node:buffer";
import { constants, verify } from "node:crypto";
import type { CacheError } from "../../common/errors.ts";
import { isRecord } from "../../common/record.ts";
import type { CallOrigin } from "../identity/authenticator.ts";
import { type Ground, Principal } from "../identity/principal.ts";
import type { Issuer } from "./issuers.ts";
import { ALGORITHMS, type Algorithm, type VerificationKey } from "./key-set.ts";
import { type KeySource, type KeySourceDeps, openKeySource } from "./key-source.ts";
import type { KeyMemory } from "./shared-keys.ts";
import type { VerificationBudget } from "./verification-budget.ts";

/** "unavailable": the keys of its issuer are not known now. */
export type TokenRefusal = "unknown" | "expired" | "unavailable";

/** How far clocks may be apart. */
const SKEW_S = 30;
const KID_MAX_LENGTH = 256;
const REMEMBERED_MAX = 10_000;
/** Text that may stand in a log. */
const SUBJECT = /^[\x21-\x7e]{1,256}$/;
const BASE64URL = /^[A-Za-z0-9_-]+$/;

export interface VerifierWatchDeps extends KeySourceDeps {
  /** An issuer has other keys than before, with these fingerprints. Default: nobody is told. */
  readonly replaced?: (issuer: string, fingerprints: ReadonlySet<string>) => void;
}

interface KeyGround extends Ground {
  state: Ground["state"];
}

interface Trusted extends Issuer {
  readonly source: KeySource;
  /** By the fingerprints of its keys: those that signed a token. */
  readonly grounds: Map<string, KeyGround>;
}

interface Claims {
  readonly issuer: Trusted;
  readonly subject: string;
  readonly untilMs: number;
}

export class JwtVerifier {
  readonly #issuers: ReadonlyMap<string, Trusted>;
  readonly #wallNow: () => number;
  readonly #budget: VerificationBudget | undefined;
  /** By the hash of the token, the oldest first. */
  readonly #remembered = new Map<string, Principal>();

  /**
   * Throws FIELD_INVALID for a file of keys that cannot be used. `shared`: the `keyMemory` of a verifier in another thread.
   * `budget`: default, any number of signatures is verified.
   */
  constructor(
    issuers: readonly Issuer[],
    shared: KeyMemory = new Map(),
    budget?: VerificationBudget,
    wallNow: () => number = Date.now,
  ) {
    this.#budget = budget;
    this.#issuers = new Map(
      issuers.map((one) => [
        one.issuer,
        { ...one, source: openKeySource(one.jwks, shared), grounds: new Map() },
      ]),
    );
    this.#wallNow = wallNow;
  }

  get filesRefused(): boolean {
    return [...this.#issuers.values()].some(({ source }) => source.isRefused);
  }

  /** What verifiers in other threads are to share, so that all together ask for keys as often as one. */
  get keyMemory(): KeyMemory {
    const memory = new Map<string, SharedArrayBuffer>();
    for (const { jwks, source } of this.#issuers.values())
      if (source.memory !== undefined) memory.set(jwks, source.memory);
    return memory;
  }

  watch({ replaced = () => {}, ...deps }: VerifierWatchDeps): () => void {
    const stops = [...this.#issuers.values()].map((issuer) => {
      let known = fingerprintsOf(issuer);
      return issuer.source.watch(deps, () => {
        const fingerprints = fingerprintsOf(issuer);
        const isOther = known.size !== fingerprints.size || [...fingerprints].some((one) => !known.has(one));
        known = fingerprints;
        this.#forget(issuer, fingerprints);
        if (isOther) replaced(issuer.name, fingerprints);
      });
    });
    return () => {
      for (const stop of stops) stop();
    };
  }

  /** `digest`: the hash of the token. A CacheError: too many were wrong. */
  verify(token: string, digest: string, connection?: CallOrigin): Principal | TokenRefusal | CacheError {
    const known = this.#remembered.get(digest);
    if (known !== undefined) return known;
    const [head = "", body = "", signature = "", ...more] = token.split(".");
    if (more.length > 0 || ![head, body, signature].every((part) => BASE64URL.test(part))) return "unknown";
    const header = parsePart(head);
    const claims = this.#claimsOf(parsePart(body));
    if (header === undefined || typeof claims === "string")
      return typeof claims === "string" ? claims : "unknown";
    const key = this.#keyOf(header, claims.issuer);
    if (typeof key === "string") return key;
    const refusal = this.#budget?.refusalOf(connection);
    if (refusal !== undefined) return refusal;
    if (!isSigned(`${head}.${body}`, signature, key)) {
      this.#budget?.wasWrong(connection);
      return "unknown";
    }
    const { issuer, subject, untilMs } = claims;
    const principal = new Principal(`jwt:${issuer.name}:${subject}`, untilMs, groundOf(issuer, key));
    this.#remember(digest, principal);
    return principal;
  }

  #claimsOf(claims: Readonly<Record<string, unknown>> | undefined): Claims | TokenRefusal {
    if (claims === undefined) return "unknown";
    const { iss, aud, exp, nbf = 0, sub } = claims;
    const issuer = typeof iss === "string" ? this.#issuers.get(iss) : undefined;
    if (issuer === undefined) return "unknown";
    const audiences: readonly unknown[] = Array.isArray(aud) ? aud : [aud];
    if (!audiences.includes(issuer.audience)) return "unknown";
    if (typeof sub !== "string" || !SUBJECT.test(sub)) return "unknown";
    if (typeof exp !== "number" || typeof nbf !== "number") return "unknown";
    const nowS = this.#wallNow() / 1_000;
    // Written so that what is no number is refused.
    if (!(nowS < exp + SKEW_S) || !(nowS >= nbf - SKEW_S)) return "expired";
    return { issuer, subject: sub, untilMs: (exp + SKEW_S) * 1_000 };
  }

  /** What the header says of where a key is (`jku`, `x5u`, `jwk`, `x5c`) is not looked at. */
  #keyOf(header: Readonly<Record<string, unknown>>, { source }: Trusted): VerificationKey | TokenRefusal {
    const { alg, kid, crit } = header;
    const algorithm = ALGORITHMS.find((one) => one === alg);
    if (algorithm === undefined || crit !== undefined) return "unknown";
    if (kid !== undefined && (typeof kid !== "string" || kid.length > KID_MAX_LENGTH)) return "unknown";
    const found = findKey(source.keys, algorithm, kid);
    if (found !== undefined) return found;
    const refusal = source.miss() === "pending" ? "unavailable" : "unknown";
    return findKey(source.keys, algorithm, kid) ?? refusal;
  }

  #remember(digest: string, principal: Principal): void {
    this.#remembered.set(digest, principal);
    if (this.#remembered.size <= REMEMBERED_MAX) return;
    const [oldest] = this.#remembered.keys();
    if (oldest !== undefined) this.#remembered.delete(oldest);
  }

  /**
   * Tokens whose keys are not in the set any more are revoked, also those that are not remembered, whose streams may be open. A
   * set has keys: where there are none, they are not known.
   * Those that are not valid any more are forgotten.
   */
  #forget({ grounds }: Trusted, fingerprints: ReadonlySet<string>): void {
    for (const [fingerprint, ground] of grounds) {
      if (fingerprints.has(fingerprint)) continue;
      ground.state = fingerprints.size === 0 ? "unknown" : "gone";
      grounds.delete(fingerprint);
    }
    for (const [digest, principal] of this.#remembered)
      if (!principal.isValid(this.#wallNow())) this.#remembered.delete(digest);
  }
}

function groundOf({ grounds }: Trusted, { fingerprint }: VerificationKey): KeyGround {
  const known = grounds.get(fingerprint);
  if (known !== undefined) return known;
  const ground: KeyGround = { state: "there" };
  grounds.set(fingerprint, ground);
  return ground;
}

function fingerprintsOf({ source }: Trusted): Set<string> {
  return new Set(source.keys.map(({ fingerprint }) => fingerprint));
}

function parsePart(part: string): Readonly<Record<string, unknown>> | undefined {
  try {
    const parsed: unknown = JSON.parse(Buffer.from(part, "base64url").toString());
    return isRecord(parsed) ? parsed : undefined;
  } catch {
    return undefined;
  }
}

/** Without a `kid` there must be one key for the algorithm. */
function findKey(
  keys: readonly VerificationKey[],
  algorithm: Algorithm,
  kid: string | undefined,
): VerificationKey | undefined {
  const fitting = keys.filter((key) => key.algorithm === algorithm && (kid === undefined || key.kid === kid));
  return fitting.length === 1 ? fitting[0] : undefined;
}

function isSigned(text: string, signature: string, { algorithm, key }: VerificationKey): boolean {
  const bytes = Buffer.from(text);
  const signed = Buffer.from(signature, "base64url");
  switch (algorithm) {
    case "RS256":
      return verify("sha256", bytes, { key, padding: constants.RSA_PKCS1_PADDING }, signed);
    case "ES256":
      return verify("sha256", bytes, { key, dsaEncoding: "ieee-p1363" }, signed);
    case "EdDSA":
      return verify(null, bytes, key, signed);
    default:
      return algorithm satisfies never;
  }
}
