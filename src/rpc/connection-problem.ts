/**
 * Why a server could not be connected to, told apart: what a person has to mend differs for each. Found by the error of the
 * socket, by the first bytes of the answer, by its headers, or by what grpc-js says of them.
 */
import { Buffer } from "node:buffer";
import { CacheError } from "../common/errors.ts";

/**
 * "refused": nothing listens. "unknownName": the name does not resolve. "unreachable": there is no way to the host. "silent":
 * no answer in time. "closed": the connection was closed before an answer. "needsTls": TLS is spoken there. "noTls": TLS is
 * not spoken there. "certificate": the certificate is not trusted, or is of another name. "clientRefused": the server wants
 * another certificate of the client. "wrongProtocol": something answers
 * that is no gRPC. "wrongService": gRPC, but not meshcache of this version. "proxy": a proxy that cannot reach its server.
 */
export type ConnectionProblem =
  | "refused"
  | "unknownName"
  | "unreachable"
  | "silent"
  | "closed"
  | "needsTls"
  | "noTls"
  | "certificate"
  | "clientRefused"
  | "wrongProtocol"
  | "wrongService"
  | "proxy";

/** What was found: `what` is a clause about the address, such as "nothing listens there". */
export interface Diagnosis {
  readonly problem: ConnectionProblem;
  readonly what: string;
}

/** How the reader sets the address, and TLS where that can be set: names of options. */
export interface OptionWords {
  readonly address: string;
  readonly tls: string | undefined;
}

const CLIENT_WORDS: OptionWords = { address: "`address`", tls: "`tls` or `credentials`" };

const ADVICE: Readonly<Record<ConnectionProblem, (words: OptionWords) => string>> = {
  refused: ({ address }) => `is the server running, and is ${address} its gRPC port?`,
  unknownName: ({ address }) => `check the name in ${address}, and the DNS of this machine`,
  unreachable: ({ address }) => `check ${address}, the network and its firewalls`,
  silent: ({ address }) => `is ${address} its gRPC port, and does a firewall drop what is sent there?`,
  closed: ({ address, tls }) =>
    `is ${address} its gRPC port? ${tls === undefined ? "A port with TLS" : `A port with TLS, which needs ${tls},`} closes such connections too`,
  needsTls: ({ address, tls }) =>
    tls === undefined ? `${address} must be of a port without TLS` : `set ${tls}, or use a port without TLS`,
  noTls: ({ tls }) => `use its port with TLS, or leave ${tls ?? "TLS"} out`,
  certificate: ({ address, tls }) =>
    `${tls ?? "the client"} must trust the certificate, and ${address} must be a name in it`,
  clientRefused: ({ tls }) =>
    `${tls ?? "the client"} needs a certificate and a key, of an authority that the server takes clients of`,
  wrongProtocol: ({ address }) =>
    `${address} must be the gRPC port of the server, not its admin port or another program`,
  wrongService: ({ address }) => `${address} must be of a meshcache server of this version`,
  proxy: ({ address }) => `is the server behind ${address} running?`,
};

/** What to do, as a clause. */
export function adviceFor(problem: ConnectionProblem, words: OptionWords = CLIENT_WORDS): string {
  return ADVICE[problem](words);
}

export function isConnectionProblem(text: string | undefined): text is ConnectionProblem {
  return text !== undefined && Object.hasOwn(ADVICE, text);
}

/** UNAVAILABLE with the address, what is there, and what to do. `detail` is `{ address, problem, cause }`. */
export function toConnectionError(
  address: string,
  { problem, what }: Diagnosis,
  cause?: unknown,
): CacheError {
  const message = `could not connect to ${address} (${what}); ${adviceFor(problem)}`;
  return new CacheError("UNAVAILABLE", message, { address, problem, cause: what }, { cause });
}

const CLOSED = "it closed the connection before it answered";
const HTTP1 = /^HTTP\/1/;
const TLS_RECORDS = [0x15, 0x16];
const SETTINGS = 4;
const TYPE_OFFSET = 3;

/** What a connection without TLS has met, by the first bytes of the answer. Undefined: HTTP/2, or nothing was answered. */
function ofFirstBytes(first: Uint8Array): Diagnosis | undefined {
  const [type, major] = first;
  if (type === undefined || first[TYPE_OFFSET] === SETTINGS) return undefined;
  // The record of an alert or a handshake: its type and the major version of SSL (RFC 8446, section 5.1).
  if (TLS_RECORDS.includes(type) && (major ?? 3) === 3)
    return { problem: "needsTls", what: "it expects TLS" };
  const isHttp1 = HTTP1.test(Buffer.from(first).toString("latin1"));
  const what = isHttp1 ? "it answers in HTTP/1" : "it answers in a protocol that is not HTTP/2";
  return { problem: "wrongProtocol", what };
}

/** So many bytes of an answer are enough for `diagnoseConnection`. */
export const FIRST_BYTES = 9;

/** Of a connection without TLS that ended before its server answered. `first`: the first bytes that came, up to 9. */
export function diagnoseConnection(cause: unknown, first: Uint8Array): Diagnosis {
  const found = ofFirstBytes(first) ?? ofText(textOf(cause));
  if (found !== undefined) return found;
  const why = textOf(cause);
  return {
    problem: "closed",
    what: why === "" ? CLOSED : `${CLOSED}: ${why}`,
  };
}

/** Of the headers of an answer. Undefined: they are gRPC, of a server with the service. */
export function diagnoseHeaders(headers: Readonly<Record<string, string>>): Diagnosis | undefined {
  const given = headers[":status"] ?? "200";
  const status = /^\d{3}$/.test(given) ? given : "000";
  if (headers["grpc-status"] === UNIMPLEMENTED) return WRONG_SERVICE;
  if (headers["grpc-status"] !== undefined) return undefined;
  if (PROXY_STATUSES.includes(status)) return ofProxy(status);
  if (status !== "200") return ofHttp(status);
  const isGrpc = headers["content-type"]?.startsWith("application/grpc") ?? false;
  return isGrpc ? undefined : { problem: "wrongProtocol", what: "it answers in HTTP/2, but not in gRPC" };
}

const UNIMPLEMENTED = "12";
const PROXY_STATUSES = ["502", "503", "504"];
const WRONG_SERVICE: Diagnosis = {
  problem: "wrongService",
  what: "it is a gRPC server without the services of meshcache.v1",
};
const ofProxy = (status: string): Diagnosis => ({
  problem: "proxy",
  what: `it answers with the HTTP status ${status}, as a proxy does that cannot reach its server`,
});
const ofHttp = (status: string): Diagnosis => ({
  problem: "wrongProtocol",
  what: `it answers with the HTTP status ${status}, and not in gRPC`,
});

/** Of an error that grpc-js reports before a server has answered. Undefined: it is of something else. */
export function diagnoseService({
  code,
  details,
}: {
  readonly code: number;
  readonly details: string;
}): Diagnosis | undefined {
  const [, status] = /HTTP status code (\d{3})/.exec(details) ?? [];
  if (status !== undefined) return PROXY_STATUSES.includes(status) ? ofProxy(status) : ofHttp(status);
  if (String(code) === UNIMPLEMENTED) return WRONG_SERVICE;
  const [, lastError] =
    /Last error: ([\s\S]*?)(?: \(\d{4}-\d\d-\d\dT[^)]*\))?\.?\s*Resolution note:/.exec(details) ?? [];
  const text = (lastError ?? details).replace(/^Error(?: \[\w+\])?: /, "");
  if (/^Name resolution failed/.test(text))
    return { problem: "unknownName", what: "its name does not resolve" };
  const found = ofText(text);
  if (found !== undefined) return found;
  // grpc-js names a connection that ended before its first SETTINGS, and one with other bytes, so.
  if (/^Protocol error/.test(text)) {
    return { problem: "wrongProtocol", what: "it answers in a protocol that is not HTTP/2" };
  }
  if (/^Response message parsing error/.test(text))
    return { problem: "wrongService", what: "it answered with what is no message of meshcache.v1" };
  if (/without gRPC status/.test(text))
    return { problem: "closed", what: "it ended the call without a gRPC status" };
  return /^Failed to connect|ECONNRESET|socket hang up/.test(text)
    ? { problem: "closed", what: CLOSED }
    : undefined;
}

const PATTERNS: readonly (readonly [RegExp, ConnectionProblem, string])[] = [
  [/ECONNREFUSED|ENOENT/, "refused", "nothing listens there"],
  [/ENOTFOUND/, "unknownName", "its name does not resolve"],
  [/EAI_AGAIN/, "unknownName", "the DNS did not answer for its name"],
  [
    /EHOSTUNREACH|ENETUNREACH|EHOSTDOWN|ENETDOWN|EADDRNOTAVAIL|ETIMEDOUT/,
    "unreachable",
    "there is no way to it",
  ],
  [/alert no application protocol/, "wrongProtocol", "it speaks TLS, but not HTTP/2"],
  [/alert protocol version/, "wrongProtocol", "it speaks another version of TLS"],
  [
    /alert (?:certificate|bad certificate|unknown ca|access denied|handshake failure)/,
    "clientRefused",
    "it refuses the certificate of this client, or that there is none",
  ],
  [/SSL routines|wrong version number|packet length too long/, "noTls", "it does not speak TLS"],
  [/certificate|CERT_|altname/i, "certificate", "its certificate is refused"],
];

/** By the text of an error of Node. */
function ofText(text: string): Diagnosis | undefined {
  const found = PATTERNS.find(([pattern]) => pattern.test(text));
  if (found === undefined) return undefined;
  const [, problem, what] = found;
  // OpenSSL's text names its source files and threads.
  return { problem, what: /SSL routines/.test(text) ? what : `${what}: ${text}` };
}

function textOf(cause: unknown): string {
  if (cause instanceof AggregateError) return textOf(cause.errors[0]);
  return cause instanceof Error ? oneLine(cause.message || cause.name) : "";
}

const oneLine = (text: string): string => text.replace(/\s+/g, " ").trim();
