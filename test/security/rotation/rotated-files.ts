/**
 * The files of a server and its services, which are replaced in rounds as an operator would: what is new is trusted first, then
 * everybody gets credentials of it, then what is old is not trusted any more. In every other round the policy takes away what
 * the service "flip" may do.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { renameSync } from "node:fs";
import type { ClientTlsOptions } from "../../../src/index.ts";
import type { SecurityOptions } from "../../../src/server/index.ts";
import {
  type Authority,
  type Certificate,
  createAuthority,
  type PemFolder,
} from "../../support/certificates.ts";

/** "shop" has a certificate and a token, the others a certificate. */
export const SERVICES = ["orders", "shop", "flip"] as const;
export type Service = (typeof SERVICES)[number];

const ISSUER = "https://login.example";
const HOUR_S = 3_600;
const DAY_MS = 86_400_000;
const ALL = ["read", "write", "invalidate", "subscribe"];

interface TokenKey {
  readonly kid: string;
  readonly privateKey: KeyObject;
  readonly jwk: object;
}

/** What a client has that does not replace it. */
export interface FixedCredentials extends Certificate {
  readonly ca: string;
  readonly token: string;
}

export class RotatedFiles {
  round = 0;
  readonly #folder: PemFolder;
  #authority: Authority = createAuthority("authority 0");
  #oldAuthority: Authority = this.#authority;
  #key: TokenKey = tokenKey(0);
  #oldKey: TokenKey = this.#key;
  readonly #certificates = new Map<string, Certificate>();
  #token = "";

  constructor(folder: PemFolder) {
    this.#folder = folder;
    this.#writeTrusted([this.#authority], [this.#key]);
    this.#writePolicy();
    this.reissue();
    const issuer = { name: "corp", issuer: ISSUER, audience: "meshcache", jwks: this.#pathOf("jwks.json") };
    folder.write("issuers.yaml", JSON.stringify({ issuers: [issuer] }));
  }

  get security(): SecurityOptions & { readonly jwtIssuers: string; readonly policy: string } {
    const tls = {
      cert: this.#pathOf("server.crt"),
      key: this.#pathOf("server.key"),
      clientCa: this.#pathOf("ca.crt"),
    };
    return { tls, jwtIssuers: this.#pathOf("issuers.yaml"), policy: this.#pathOf("policy.yaml") };
  }

  /** For a client that reads its files again. */
  tlsOf(service: Service): ClientTlsOptions {
    return {
      ca: this.#pathOf("ca.crt"),
      cert: this.#pathOf(`${service}.crt`),
      key: this.#pathOf(`${service}.key`),
    };
  }

  /** For a client that asks for a token again. */
  get token(): string {
    return this.#token;
  }

  /** What the service has now. It stays as it is. */
  fixed(service: Service): FixedCredentials {
    const certificate = this.#certificates.get(service);
    if (certificate === undefined) throw new Error(`${service} has no certificate`);
    return { ...certificate, ca: this.#authority.cert + this.#oldAuthority.cert, token: this.#token };
  }

  /** Whether the policy of this round lets "flip" read. */
  get permitsFlip(): boolean {
    return this.round % 2 === 0;
  }

  /** An authority and a key of tokens that nothing is of yet, and the policy of the next round. */
  introduce(): void {
    this.round += 1;
    this.#oldAuthority = this.#authority;
    this.#oldKey = this.#key;
    this.#authority = createAuthority(`authority ${this.round}`);
    this.#key = tokenKey(this.round);
    this.#writeTrusted([this.#oldAuthority, this.#authority], [this.#oldKey, this.#key]);
    this.#writePolicy();
  }

  /** Certificates and tokens of the new authority and key. */
  reissue(): void {
    // Each certificate of the server ends at another time, by which the log tells them apart.
    this.#writePair("server", this.#authority.issue({ untilMs: 30 * DAY_MS + 60_000 * this.round }));
    for (const service of SERVICES) {
      const certificate = this.#authority.issue({ names: [`URI:spiffe://example.org/${service}`] });
      this.#certificates.set(service, certificate);
      this.#writePair(service, certificate);
    }
    this.#token = signToken(this.#key, "shop");
  }

  /** The old authority and key are not trusted any more. */
  retire(): void {
    this.#writeTrusted([this.#authority], [this.#key]);
  }

  #writeTrusted(authorities: readonly Authority[], keys: readonly TokenKey[]): void {
    this.#replace("ca.crt", authorities.map(({ cert }) => cert).join(""));
    this.#replace("jwks.json", JSON.stringify({ keys: keys.map(({ jwk }) => jwk) }));
  }

  #writePolicy(): void {
    const principalOf = (name: Service, may: readonly string[], ...more: readonly string[]) => ({
      name,
      match: [`spiffe://example.org/${name}`, ...more],
      allow: may.length === 0 ? [] : [{ namespaces: [name], may }],
    });
    const principals = [
      principalOf("orders", ALL),
      principalOf("shop", ALL, "jwt:corp:shop"),
      principalOf("flip", this.permitsFlip ? ALL : []),
    ];
    this.#replace("policy.yaml", JSON.stringify({ principals }));
  }

  #writePair(name: string, { cert, key }: Certificate): void {
    this.#replace(`${name}.crt`, cert);
    this.#replace(`${name}.key`, key);
  }

  /** At once, as Kubernetes and spiffe-helper do it. */
  #replace(name: string, text: string): void {
    renameSync(this.#folder.write(`${name}.new`, text), this.#pathOf(name));
  }

  #pathOf(name: string): string {
    return `${this.#folder.path}/${name}`;
  }
}

function tokenKey(round: number): TokenKey {
  const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
  const kid = `key ${round}`;
  return { kid, privateKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" } };
}

function signToken({ kid, privateKey }: TokenKey, subject: string): string {
  const exp = Math.floor(Date.now() / 1_000) + HOUR_S;
  const signed = [
    { alg: "ES256", kid },
    { iss: ISSUER, aud: "meshcache", sub: subject, exp },
  ]
    .map((part) => Buffer.from(JSON.stringify(part)).toString("base64url"))
    .join(".");
  const signature = sign("sha256", Buffer.from(signed), { key: privateKey, dsaEncoding: "ieee-p1363" });
  return `${signed}.${signature.toString("base64url")}`;
}
