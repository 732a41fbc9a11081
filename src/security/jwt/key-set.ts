/** The public keys of an issuer: JSON Web Key Sets (RFC 7517), of which only keys for signatures that are taken are kept. */
import { createPublicKey, type JsonWebKey, type KeyObject } from "node:crypto";
import { isRecord } from "../../common/record.ts";

export const ALGORITHMS = ["RS256", "ES256", "EdDSA"] as const;
export type Algorithm = (typeof ALGORITHMS)[number];

export interface VerificationKey {
  readonly kid: string | undefined;
  readonly algorithm: Algorithm;
  readonly key: KeyObject;
  /** The same for the same key, whatever else its JWK says. */
  readonly fingerprint: string;
}

const KEYS_MAX = 64;
const RSA_MIN_BITS = 2_048;

/** Undefined: it is no key set, or has no key that could be used. */
export function parseKeySet(json: string): readonly VerificationKey[] | undefined {
  let parsed: unknown;
  try {
    parsed = JSON.parse(json);
  } catch {
    return undefined;
  }
  const keys = isRecord(parsed) && Array.isArray(parsed.keys) ? parsed.keys.slice(0, KEYS_MAX) : [];
  const usable = keys.flatMap((jwk) => toKey(jwk) ?? []);
  return usable.length === 0 ? undefined : usable;
}

function toKey(jwk: unknown): VerificationKey | undefined {
  if (!isRecord(jwk) || (jwk.use !== undefined && jwk.use !== "sig")) return undefined;
  const { kid } = jwk;
  if (kid !== undefined && typeof kid !== "string") return undefined;
  try {
    // Only what makes the public key: a private key that was published by mistake is not taken.
    const { kty, n, e, crv, x, y } = jwk as JsonWebKey;
    const material = { kty, n, e, crv, x, y };
    const key = createPublicKey({ key: material as JsonWebKey, format: "jwk" });
    const algorithm = algorithmOf(key);
    if (algorithm === undefined || (jwk.alg !== undefined && jwk.alg !== algorithm)) return undefined;
    return { kid, algorithm, key, fingerprint: JSON.stringify(material) };
  } catch {
    return undefined;
  }
}

/** A key is for one algorithm. Otherwise a token could choose how its key is used (RFC 8725, section 2.1). */
function algorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): Algorithm | undefined {
  switch (asymmetricKeyType) {
    case "rsa":
      return (asymmetricKeyDetails?.modulusLength ?? 0) >= RSA_MIN_BITS ? "RS256" : undefined;
    case "ec":
      return asymmetricKeyDetails?.namedCurve === "prime256v1" ? "ES256" : undefined;
    case "ed25519":
      return "EdDSA";
    default:
      return undefined;
  }
}
