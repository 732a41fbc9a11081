/** Validates the headers of a call before its method is looked at. */
import { constants, type IncomingHttpHeaders } from "node:http2";
import { status } from "@grpc/grpc-js";
import { parseTimeoutMs } from "./grpc-timeout.ts";
import type { CallStream } from "./http2-stream.ts";

/** The longest `grpc-timeout` that grpc-js can count: milliseconds in a signed 32-bit number. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;
/** What HTTP/2 counts for a header beside its name and value (RFC 9113, section 6.5.2). */
const PAIR_BYTES = 32;
const HEADER_NAME = /^:?[0-9a-z_.-]+$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;

/**
 * Refuses headers of more than `headersMaxBytes`, malformed header names and values, and paths that are not text: grpc-js
 * would log or echo them. Shortens a deadline that grpc-js cannot count. False: the stream has its answer.
 */
export function admitStream(
  stream: CallStream,
  headers: IncomingHttpHeaders,
  headersMaxBytes: number,
): boolean {
  let bytes = 0;
  for (const name in headers) {
    bytes += name.length + lengthOf(headers[name]) + PAIR_BYTES;
    if (!HEADER_NAME.test(name)) return refuse(stream, status.INVALID_ARGUMENT, "malformed metadata key");
    if (!isPrintable(headers[name])) {
      return name === constants.HTTP2_HEADER_PATH
        ? refuse(stream, status.UNIMPLEMENTED, "unknown method")
        : refuse(stream, status.INVALID_ARGUMENT, "malformed metadata value");
    }
  }
  if (bytes > headersMaxBytes) {
    // Node counts them only once the peer has acknowledged the settings, and then answers in the same way.
    stream.close(constants.NGHTTP2_ENHANCE_YOUR_CALM);
    return false;
  }
  const timeout = headers["grpc-timeout"];
  if (typeof timeout === "string") {
    const timeoutMs = parseTimeoutMs(timeout);
    if (timeoutMs === undefined) return refuse(stream, status.INTERNAL, "malformed grpc-timeout");
    if (timeoutMs > TIMEOUT_MAX_MS) {
      headers["grpc-timeout"] = `${Math.floor(TIMEOUT_MAX_MS / 1_000)}S`;
    }
  }
  return true;
}

function lengthOf(value: string | string[] | undefined): number {
  if (typeof value === "string") return value.length;
  return value?.reduce((sum, one) => sum + one.length, 0) ?? 0;
}

/** Node keeps some repeated headers as arrays. */
function isPrintable(value: string | string[] | undefined): boolean {
  if (typeof value === "string") return PRINTABLE_ASCII.test(value);
  return value === undefined || value.every((one) => PRINTABLE_ASCII.test(one));
}

/** Answers a call with a status and nothing else. Its stream may be over already. */
export function refuse(stream: CallStream, code: status, details: string): false {
  if (stream.closed || stream.destroyed) return false;
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-status": String(code),
      "grpc-message": details,
    },
    { endStream: true },
  );
  // Otherwise the stream would stay open until the rest of the request has come (RFC 9113, section 8.1).
  stream.close(constants.NGHTTP2_NO_ERROR);
  return false;
}
