/** Which responses of a route are kept, and their form in the cache. */
import type { FastifyReply, FastifyRequest } from "fastify";
import { fromFrame, toFrame } from "../../http-proxy/rules/framed.ts";

/** As the handler answered, before what `onSend` hooks make of it. */
export interface StoredResponse {
  readonly headers: Readonly<Record<string, string | string[]>>;
  /** Whether the hooks get text, and not bytes. */
  readonly isText: boolean;
  readonly body: Buffer;
}

const FORM = 8;
const FORBIDS = /\b(no-store|private|no-cache)\b/i;
/** They are of one connection or one answer, and are made anew. */
const OF_ONE_ANSWER = new Set([
  "connection",
  "content-length",
  "date",
  "keep-alive",
  "trailer",
  "transfer-encoding",
  "upgrade",
  "x-meshcache",
]);

export function encodeResponse({ headers, isText, body }: StoredResponse): Buffer {
  return toFrame(FORM, { headers, isText }, body);
}

/** Undefined for bytes that are no response. */
export function decodeResponse(bytes: Buffer): StoredResponse | undefined {
  try {
    const { head, body } = fromFrame(FORM, bytes);
    const { headers, isText } = head as StoredResponse;
    if (typeof headers !== "object" || headers === null) return undefined;
    return { headers, isText: isText === true, body };
  } catch {
    return undefined;
  }
}

/**
 * Undefined: the response is not for others. It has another status than 200, sets a cookie, forbids it in `Cache-Control`, varies by
 * more than the route says, or is a stream.
 */
export function toStored(
  reply: FastifyReply,
  payload: unknown,
  vary: readonly string[],
): StoredResponse | undefined {
  if (reply.statusCode !== 200 || (typeof payload !== "string" && !Buffer.isBuffer(payload)))
    return undefined;
  const headers: Record<string, string | string[]> = {};
  for (const [name, value] of Object.entries(reply.getHeaders())) {
    if (name === "set-cookie") return undefined;
    if (value === undefined || OF_ONE_ANSWER.has(name)) continue;
    headers[name] = Array.isArray(value) ? value.map(String) : String(value);
  }
  if (FORBIDS.test(String(headers["cache-control"] ?? ""))) return undefined;
  const varies = String(headers.vary ?? "")
    .toLowerCase()
    .split(",");
  if (varies.some((name) => name.trim() !== "" && !vary.includes(name.trim()))) return undefined;
  return { headers, isText: typeof payload === "string", body: Buffer.from(payload) };
}

/** Whether the hooks left it so: they may have found that the client has it (304), or have begun a session. */
export function isForOthers(reply: FastifyReply): boolean {
  const isSuccess = reply.statusCode === 200 || reply.statusCode === 304;
  return (
    isSuccess &&
    !reply.hasHeader("set-cookie") &&
    !FORBIDS.test(String(reply.getHeader("cache-control") ?? ""))
  );
}

/** Whether the request says who asks: its answer may be for nobody else. */
export function hasCredentials({ headers }: FastifyRequest): boolean {
  return headers.authorization !== undefined || headers.cookie !== undefined;
}
