/** gRPC over HTTP/2 as the sidecar handles it: headers, the message of a unary call, and its status. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import { gunzipSync, inflateSync } from "node:zlib";
import type { Answer, Metadatum } from "../answer.ts";
import { SOURCE_METADATA } from "../answer-source.ts";
import type { CallMetadata } from "../caller-variant.ts";

export const STATUS = {
  ok: 0,
  cancelled: 1,
  unknown: 2,
  deadlineExceeded: 4,
  resourceExhausted: 8,
  unimplemented: 12,
  unavailable: 14,
};

/** Before each message: a flag, and four bytes of its length. */
export const PREFIX_BYTES = 5;

/** Of the connection and not of the call. Node refuses to send them over HTTP/2. */
const OF_CONNECTION: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
  "http2-settings",
  "host",
]);

/** What the answer of a kept response has of its own. */
const OF_ANSWER: ReadonlySet<string> = new Set([
  "content-type",
  "content-length",
  "date",
  "grpc-status",
  "grpc-message",
  "grpc-encoding",
  "grpc-accept-encoding",
  "trailer",
]);

export function isGrpc(headers: IncomingHttpHeaders): boolean {
  return (
    headers[":method"] === "POST" && /^application\/grpc(?:$|[+;])/.test(String(headers["content-type"]))
  );
}

/** Messages may be of other formats, "application/grpc+json". */
export function isProtobuf(headers: IncomingHttpHeaders): boolean {
  return /^application\/grpc(?:\+proto)?(?:$|;)/.test(String(headers["content-type"]));
}

/** The headers to send on: pseudo-headers but those that are named, and no headers of the connection. */
export function forwarded(headers: IncomingHttpHeaders, pseudo: readonly string[]): OutgoingHttpHeaders {
  const sent: OutgoingHttpHeaders = {};
  for (const [name, value] of Object.entries(headers)) {
    if (value === undefined || OF_CONNECTION.has(name)) continue;
    if (!name.startsWith(":") || pseudo.includes(name)) sent[name] = value;
  }
  return sent;
}

export function toCallMetadata(headers: IncomingHttpHeaders): CallMetadata {
  return {
    names: Object.keys(headers).filter((name) => !name.startsWith(":")),
    valuesOf: (name) => [headers[name] ?? []].flat(),
  };
}

export function toList(headers: IncomingHttpHeaders): Metadatum[] {
  return Object.entries(headers).flatMap(([name, values]) => {
    if (values === undefined || name.startsWith(":") || OF_ANSWER.has(name)) return [];
    return [values].flat().map((value) => ({
      name,
      value: name.endsWith("-bin") ? Buffer.from(value, "base64") : value,
    }));
  });
}

export function toHeaders(list: readonly Metadatum[]): OutgoingHttpHeaders {
  const headers: Record<string, string[]> = {};
  for (const { name, value } of list) {
    headers[name] ??= [];
    headers[name].push(
      typeof value === "string" ? value : Buffer.from(value).toString("base64").replace(/=+$/, ""),
    );
  }
  return headers;
}

/** Undefined: it is not one whole message, or its encoding is not known here. */
export function readMessage(body: Buffer, encoding: unknown, maxBytes: number): Buffer | undefined {
  if (body.length < PREFIX_BYTES || body.length !== PREFIX_BYTES + body.readUInt32BE(1)) return undefined;
  const message = body.subarray(PREFIX_BYTES);
  if (body[0] === 0) return message;
  try {
    if (encoding === "gzip") return gunzipSync(message, { maxOutputLength: maxBytes });
    if (encoding === "deflate") return inflateSync(message, { maxOutputLength: maxBytes });
  } catch {
    // It is for the service to say what is wrong with it.
  }
  return undefined;
}

export function writeMessage(message: Uint8Array): Buffer {
  const body = Buffer.allocUnsafe(PREFIX_BYTES + message.length);
  body[0] = 0;
  body.writeUInt32BE(message.length, 1);
  body.set(message, PREFIX_BYTES);
  return body;
}

const MILLISECONDS: Readonly<Record<string, number>> = { n: 1e-6, u: 1e-3, m: 1, S: 1e3, M: 6e4, H: 3.6e6 };

/** What the caller allows, in milliseconds. Infinity: it does not say. */
export function timeoutMsOf(headers: IncomingHttpHeaders): number {
  const [, digits, unit = ""] = /^(\d{1,8})([numSMH])$/.exec(String(headers["grpc-timeout"])) ?? [];
  return digits === undefined ? Number.POSITIVE_INFINITY : Number(digits) * (MILLISECONDS[unit] ?? 1);
}

/** Undefined: these trailers, or headers, have no status. */
export function statusOf(headers: IncomingHttpHeaders): Pick<Answer, "code" | "details"> | undefined {
  const text = headers["grpc-status"];
  if (typeof text !== "string" || !/^\d{1,3}$/.test(text)) return undefined;
  return { code: Number(text), details: decodeText(String(headers["grpc-message"] ?? "")) };
}

/** As gRPC sends texts of statuses: bytes beyond printable ASCII, "%", and spaces that HTTP would trim, are percent-encoded. */
export function encodeText(text: string): string {
  return text.replace(/^ +| +$|[^\x20-\x24\x26-\x7e]+/g, (part) =>
    Buffer.from(part, "utf8").reduce(
      (encoded, byte) => `${encoded}%${byte.toString(16).toUpperCase().padStart(2, "0")}`,
      "",
    ),
  );
}

function decodeText(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function statusHeaders({ code, details }: Pick<Answer, "code" | "details">): OutgoingHttpHeaders {
  return { "grpc-status": String(code), ...(details !== "" && { "grpc-message": encodeText(details) }) };
}

export function responseHeaders(contentType: unknown, mark?: string): OutgoingHttpHeaders {
  return {
    [constants.HTTP2_HEADER_STATUS]: 200,
    "content-type": String(contentType ?? "application/grpc"),
    ...(mark !== undefined && { [SOURCE_METADATA]: mark }),
  };
}
