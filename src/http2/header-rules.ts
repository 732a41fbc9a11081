/** What makes the header fields of a message malformed (RFC 9113, section 8). */
import type { HeaderField } from "./hpack.ts";

export type MessagePart = "request" | "response" | "trailers";

/** No upper case, no control characters, no space, nothing beyond ASCII, and a colon at the beginning only. */
const FIELD_NAME = /^[!-9;-@[-~]+$/;
const CONNECTION_FIELDS: ReadonlySet<string> = new Set([
  "connection",
  "keep-alive",
  "proxy-connection",
  "transfer-encoding",
  "upgrade",
]);
const PSEUDO_FIELDS: Readonly<Record<MessagePart, readonly string[]>> = {
  request: [":method", ":scheme", ":path", ":authority"],
  response: [":status"],
  trailers: [],
};

export function isWellFormed(part: MessagePart, fields: readonly HeaderField[]): boolean {
  const pseudo = new Map<string, string>();
  let lengths = 0;
  let inRegular = false;
  for (const [name, value] of fields) {
    if (!isFieldValue(value)) return false;
    if (name.startsWith(":")) {
      if (inRegular || pseudo.has(name) || !PSEUDO_FIELDS[part].includes(name)) return false;
      pseudo.set(name, value);
      continue;
    }
    inRegular = true;
    if (!FIELD_NAME.test(name) || CONNECTION_FIELDS.has(name)) return false;
    if (name === "te" && value !== "trailers") return false;
    if (name === "content-length") {
      lengths += 1;
      if (lengths > 1 || !/^\d{1,15}$/.test(value)) return false;
    }
  }
  return isComplete(part, pseudo);
}

/**
 * False: a field that clients send with a space at an end of its value, which RFC 9113 forbids (section 8.2.1). It is dropped, as
 * nghttp2 does, and the request is served.
 */
export function isKept([name, value]: HeaderField): boolean {
  return (
    name.startsWith(":") || !(isSpace(value.charCodeAt(0)) || isSpace(value.charCodeAt(value.length - 1)))
  );
}

/** NaN: there is none. Of well-formed fields. */
export function contentLengthOf(fields: readonly HeaderField[]): number {
  const field = fields.find(([name]) => name === "content-length");
  return field === undefined ? Number.NaN : Number(field[1]);
}

/** Whether a response has a status of 1xx. */
export function isInterim(fields: readonly HeaderField[]): boolean {
  return fields.some(([name, value]) => name === ":status" && value.startsWith("1"));
}

function isComplete(part: MessagePart, pseudo: ReadonlyMap<string, string>): boolean {
  if (part === "trailers") return true;
  if (part === "response") return /^\d{3}$/.test(pseudo.get(":status") ?? "");
  if (pseudo.get(":method") === "CONNECT") {
    return pseudo.has(":authority") && !pseudo.has(":scheme") && !pseudo.has(":path");
  }
  return (
    pseudo.has(":method") &&
    pseudo.has(":scheme") &&
    pseudo.get(":path") !== undefined &&
    pseudo.get(":path") !== ""
  );
}

/** No NUL, CR or LF, and no space or tab at either end. */
function isFieldValue(value: string): boolean {
  for (let at = 0; at < value.length; at++) {
    const code = value.charCodeAt(at);
    if (code === 0 || code === 0x0a || code === 0x0d) return false;
  }
  return !isSpace(value.charCodeAt(0)) && !isSpace(value.charCodeAt(value.length - 1));
}

function isSpace(code: number): boolean {
  return code === 0x20 || code === 0x09;
}
