/** TLS as a client speaks it: what it trusts, what it shows, and whom it expects. */
import { isIP } from "node:net";
import { type ConnectionOptions, checkServerIdentity, type PeerCertificate } from "node:tls";
import { type FileTexts, ReReadFiles } from "../files/watched-files.ts";
import { checkKey, readCertificates } from "./pem.ts";

/** PEM files, which are read before each connection: replace them, and the next connection uses them. */
export interface ClientTlsOptions {
  /** Authorities of the server's certificate. Default: those that Node trusts. */
  readonly ca?: string;
  /** The client's own certificate, and behind it those between it and its authority; with `key`. Default: none. */
  readonly cert?: string;
  /** The private key of `cert`, without a passphrase. */
  readonly key?: string;
  /**
   * The name that the server's certificate must have: a DNS name, or a SPIFFE id ("spiffe://…") that is then its only URI.
   * Default: the host of the address.
   */
  readonly serverName?: string;
}

type ClientFile = "ca" | "cert" | "key";

/** What a connection to a host is made with. */
export interface ClientTls {
  /** Throws FIELD_INVALID, but only while the files could never be read. */
  connectOptions(host: string): ConnectionOptions;
}

const SPIFFE = "spiffe://";

export function createClientTls({ serverName, ...paths }: ClientTlsOptions): ClientTls {
  const files = new ReReadFiles<ClientFile, Pick<ConnectionOptions, ClientFile>>("tls", paths, toSecrets);
  return {
    connectOptions(host) {
      const name = serverName ?? host;
      return {
        ...files.read(),
        minVersion: "TLSv1.2",
        ALPNProtocols: ["h2"],
        ...(isIP(name) || name.startsWith(SPIFFE) ? {} : { servername: name }),
        checkServerIdentity: (_host, certificate) => identityFault(name, certificate),
      };
    },
  };
}

/** Undefined: the certificate is that of `name`. */
export function identityFault(name: string, certificate: PeerCertificate): Error | undefined {
  if (!name.startsWith(SPIFFE)) return checkServerIdentity(name, certificate);
  const [uri, ...others] = (certificate.subjectaltname ?? "")
    .split(", ")
    .filter((one) => one.startsWith("URI:"));
  return uri === `URI:${name}` && others.length === 0
    ? undefined
    : new Error("the server's certificate has another SPIFFE id");
}

function toSecrets({ ca, cert, key }: FileTexts<ClientFile>): Pick<ConnectionOptions, ClientFile> {
  if (ca !== undefined) readCertificates("tls.ca", ca);
  const [own] = cert === undefined ? [] : readCertificates("tls.cert", cert);
  if (own !== undefined) checkKey("tls", key ?? "", own);
  return { ...(ca === undefined ? {} : { ca }), ...(cert === undefined ? {} : { cert, key: key ?? "" }) };
}
