/** Looks at a server as a client with certain files would see it, and says what is wrong. */
import type { X509Certificate } from "node:crypto";
import { once } from "node:events";
import { connect, type TLSSocket } from "node:tls";
import { type ClientTlsOptions, createClientTls } from "./client-tls.ts";

export interface Inspection {
  /** "TLSv1.3" */
  readonly protocol: string;
  /** Names of the certificate, as OpenSSL writes them. */
  readonly names: string;
  readonly issuer: string;
  /** ISO 8601. */
  readonly validFrom: string;
  readonly validUntil: string;
  /** Why a client with these files would not go on. Empty: it would. */
  readonly faults: readonly string[];
}

/** The preface of HTTP/2 and an empty SETTINGS frame: a server that takes the connection answers with its own. */
const HELLO = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0", "latin1");

/** Throws FIELD_INVALID for files that cannot be used; rejects when there is no server, or none with TLS, within `signal`. */
export async function inspectServer(
  { host, port }: { readonly host: string; readonly port: number },
  tls: ClientTlsOptions,
  signal: AbortSignal,
): Promise<Inspection> {
  const options = createClientTls(tls).connectOptions(host);
  const socket = connect({ ...options, host, port, rejectUnauthorized: false });
  const cut = () => socket.destroy(new Error("no answer in time"));
  signal.addEventListener("abort", cut, { once: true });
  try {
    await once(socket, "secureConnect");
    // Before the other form of the certificate is asked for: after that, Node has no names in this one.
    const ofName = options.checkServerIdentity?.(host, socket.getPeerCertificate(true));
    const certificate = socket.getPeerX509Certificate();
    if (certificate === undefined) throw new Error("the server shows no certificate");
    const faults = [
      ...(socket.authorized ? [] : [`it is not trusted: ${socket.authorizationError}`]),
      ...(ofName === undefined ? [] : [ofName.message]),
      ...(socket.alpnProtocol === "h2" ? [] : ["the server does not speak HTTP/2"]),
      ...((await isTaken(socket))
        ? []
        : ["the server ends the connection: it may want another client certificate"]),
    ];
    return { protocol: socket.getProtocol() ?? "", faults, ...described(certificate) };
  } finally {
    signal.removeEventListener("abort", cut);
    socket.destroy();
  }
}

/** TLS 1.3 refuses a client only after its own side is done. */
async function isTaken(socket: TLSSocket): Promise<boolean> {
  const answered = new Promise<boolean>((resolve) => {
    socket.once("data", () => resolve(true));
    socket.once("close", () => resolve(false));
  });
  socket.on("error", () => {});
  socket.write(HELLO);
  return answered;
}

function described({ subjectAltName, issuer, validFromDate, validToDate }: X509Certificate) {
  return {
    names: subjectAltName ?? "",
    issuer: issuer.replaceAll("\n", ", "),
    validFrom: validFromDate.toISOString(),
    validUntil: validToDate.toISOString(),
  };
}
