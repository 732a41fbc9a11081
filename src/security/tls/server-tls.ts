/** What a server needs to end TLS, read from its files: a context for handshakes, and when its certificate expires. */
import type { X509Certificate } from "node:crypto";
import type { TlsOptions } from "node:tls";
import { fieldInvalid } from "../../common/errors.ts";
import { type FileTexts, WatchedFiles } from "../files/watched-files.ts";
import { checkKey, checkValidity, readCertificates } from "./pem.ts";

export const TLS_VERSIONS = ["TLSv1.3", "TLSv1.2"] as const;
export type TlsVersion = (typeof TLS_VERSIONS)[number];

/** PEM files. They are read again and again, and replaced without a restart. */
export interface ServerTlsOptions {
  /** The certificate of the server, and behind it those between it and its authority. */
  readonly cert: string;
  /** The private key of the certificate, without a passphrase. */
  readonly key: string;
  /** Authorities of client certificates. With it, a client without a certificate of theirs is refused. Default: none. */
  readonly clientCa?: string;
  /** The oldest version that is spoken. Default "TLSv1.3". */
  readonly minVersion?: TlsVersion;
}

/** Made of one state of the files. */
export interface ServerTls {
  /** For `tls.createServer` and `setSecureContext`. */
  readonly options: Pick<TlsOptions, "cert" | "key" | "ca" | "minVersion">;
  readonly asksClients: boolean;
  /** Those of client certificates. Empty: clients are not asked. */
  readonly clientAuthorities: readonly X509Certificate[];
  /** When the first certificate of its chain to expire expires, in milliseconds since 1970. */
  readonly expiresAtMs: number;
}

type ServerFile = "cert" | "key" | "clientCa";
export type ServerTlsFiles = WatchedFiles<ServerFile, ServerTls>;

/** Throws FIELD_INVALID that names the file's option. `wallNow`: milliseconds since 1970. */
export function readServerTls(options: ServerTlsOptions, wallNow: () => number = Date.now): ServerTlsFiles {
  const { minVersion = "TLSv1.3" } = options;
  if (!TLS_VERSIONS.includes(minVersion))
    throw fieldInvalid("tls.minVersion", `one of ${TLS_VERSIONS.join(", ")}`);
  const { cert, key, clientCa } = options;
  if (!cert || !key) throw fieldInvalid("tls", "a cert and a key");
  const paths = { cert, key, ...(clientCa ? { clientCa } : {}) };
  return new WatchedFiles("tls", paths, (texts) => toServerTls(texts, minVersion, wallNow()));
}

function toServerTls(texts: FileTexts<ServerFile>, minVersion: TlsVersion, wallNowMs: number): ServerTls {
  const { cert = "", key = "", clientCa } = texts;
  const chain = readCertificates("tls.cert", cert);
  const [first] = chain;
  if (first === undefined) throw new Error("a chain without a certificate");
  checkKey("tls", key, first);
  for (const certificate of chain) checkValidity("tls.cert", certificate, wallNowMs);
  const clientAuthorities = clientCa === undefined ? [] : readCertificates("tls.clientCa", clientCa);
  const expiries = chain.map(({ validToDate }) => validToDate.getTime());
  return {
    options: { cert, key, ...(clientCa === undefined ? {} : { ca: clientCa }), minVersion },
    asksClients: clientCa !== undefined,
    clientAuthorities,
    expiresAtMs: expiries.reduce((least, one) => Math.min(least, one)),
  };
}
