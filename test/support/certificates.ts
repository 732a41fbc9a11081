/**
 * Authorities and certificates for tests, of every kind, also such as no authority would make. Written as DER here, since the
 * tools that make certificates refuse some kinds, or are not everywhere.
 */
import { generateKeyPairSync, type KeyObject, randomBytes, randomInt, sign } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

const DAY_MS = 86_400_000;

interface KeyPair {
  readonly publicKey: KeyObject;
  readonly privateKey: KeyObject;
}

export interface Validity {
  /** From now on, in milliseconds. Default: a day ago. */
  readonly fromMs?: number;
  /** From now on, in milliseconds. Default: in 30 days. */
  readonly untilMs?: number;
}

export interface CertificateOptions extends Validity {
  /** Subject alternative names: "DNS:…", "IP:127.0.0.1" or "URI:…". */
  readonly names?: readonly string[];
}

/** Texts as PEM. */
export interface Certificate {
  readonly cert: string;
  readonly key: string;
}

export interface Authority extends Certificate {
  issue(options?: CertificateOptions): Certificate;
  /** An authority below this one. */
  intermediate(validity?: Validity): Authority;
  /** A certificate that is no authority's, whose owner signs others all the same. */
  impostor(): Authority;
  /** The same name and key in another certificate. */
  again(validity?: Validity): Authority;
}

export function createAuthority(name = "test authority", validity: Validity = {}): Authority {
  return authority(name, undefined, validity, newKeys());
}

/** A folder of PEM files that ends with the test. */
export class PemFolder implements Disposable {
  readonly path = mkdtempSync(join(tmpdir(), "meshcache-pem-"));

  /** Returns the path. */
  write(name: string, text: string): string {
    mkdirSync(this.path, { recursive: true });
    const path = join(this.path, name);
    writeFileSync(path, text);
    return path;
  }

  /** Writes NAME.crt and NAME.key. Returns their paths. */
  save(name: string, { cert, key }: Certificate): { readonly cert: string; readonly key: string } {
    return { cert: this.write(`${name}.crt`, cert), key: this.write(`${name}.key`, key) };
  }

  [Symbol.dispose](): void {
    rmSync(this.path, { recursive: true, force: true });
  }
}

interface Issuer {
  readonly name: string;
  readonly key: KeyObject;
}

function newKeys(): KeyPair {
  return generateKeyPairSync("ec", { namedCurve: "P-256" });
}

function authority(
  name: string,
  above: Issuer | undefined,
  validity: Validity,
  keys: KeyPair,
  isAuthority = true,
): Authority {
  const own: Issuer = { name, key: keys.privateKey };
  const options = { ...validity, names: [] };
  const cert = toPem("CERTIFICATE", certificate(name, keys.publicKey, above ?? own, options, isAuthority));
  return {
    cert,
    key: keyPem(keys.privateKey),
    issue(options = {}) {
      const leaf = newKeys();
      const subject = `leaf ${randomInt(1_000_000)}`;
      return {
        cert: toPem("CERTIFICATE", certificate(subject, leaf.publicKey, own, options, false)),
        key: keyPem(leaf.privateKey),
      };
    },
    intermediate: (below = {}) => authority(`${name} below`, own, below, newKeys()),
    impostor: () => authority(`${name} below`, own, {}, newKeys(), false),
    again: (other = {}) => authority(name, above, other, keys),
  };
}

function keyPem(key: KeyObject): string {
  return key.export({ type: "pkcs8", format: "pem" }).toString();
}

// ---- DER (ITU-T X.690) of a certificate (RFC 5280) ----------------------------------------------------------

function certificate(
  subject: string,
  publicKey: KeyObject,
  issuer: Issuer,
  { names = ["DNS:localhost", "IP:127.0.0.1"], fromMs = -DAY_MS, untilMs = 30 * DAY_MS }: CertificateOptions,
  isAuthority: boolean,
): Buffer {
  const extensions = [
    extension("551d13", sequence(...(isAuthority ? [der(0x01, Buffer.of(0xff))] : []))),
    extension("551d0f", isAuthority ? der(0x03, Buffer.of(1, 0x06)) : der(0x03, Buffer.of(7, 0x80))),
    ...(names.length === 0 ? [] : [extension("551d11", sequence(...names.map(generalName)))]),
  ];
  const body = sequence(
    der(0xa0, der(0x02, Buffer.of(2))),
    der(0x02, Buffer.concat([Buffer.of(1), randomBytes(8)])),
    ECDSA_SHA256,
    distinguishedName(issuer.name),
    sequence(time(Date.now() + fromMs), time(Date.now() + untilMs)),
    distinguishedName(subject),
    publicKey.export({ type: "spki", format: "der" }),
    der(0xa3, sequence(...extensions)),
  );
  const signature = sign("sha256", body, issuer.key);
  return sequence(body, ECDSA_SHA256, der(0x03, Buffer.concat([Buffer.of(0), signature])));
}

function der(tag: number, ...parts: readonly Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  if (body.length < 128) return Buffer.concat([Buffer.of(tag, body.length), body]);
  const digits = body.length.toString(16);
  const length = Buffer.from(digits.padStart(digits.length + (digits.length % 2), "0"), "hex");
  return Buffer.concat([Buffer.of(tag, 0x80 + length.length), length, body]);
}

function sequence(...parts: readonly Buffer[]): Buffer {
  return der(0x30, ...parts);
}

function oid(hex: string): Buffer {
  return der(0x06, Buffer.from(hex, "hex"));
}

const ECDSA_SHA256 = sequence(oid("2a8648ce3d040302"));

function distinguishedName(name: string): Buffer {
  return sequence(der(0x31, sequence(oid("550403"), der(0x0c, Buffer.from(name)))));
}

function extension(hex: string, value: Buffer): Buffer {
  return sequence(oid(hex), der(0x04, value));
}

function time(ms: number): Buffer {
  return der(
    0x17,
    Buffer.from(
      new Date(ms)
        .toISOString()
        .slice(2)
        .replace(/[-:T]|\.\d+/g, ""),
    ),
  );
}

function generalName(name: string): Buffer {
  const [kind = "", ...rest] = name.split(":");
  const value = rest.join(":");
  if (kind === "IP") return der(0x87, Buffer.from(value.split(".").map(Number)));
  return der(kind === "URI" ? 0x86 : 0x82, Buffer.from(value));
}

function toPem(kind: string, bytes: Buffer): string {
  const lines = bytes.toString("base64").match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${kind}-----`, ...lines, `-----END ${kind}-----`, ""].join("\n");
}
