/**
 * All uses of private members of grpc-js: the options and events of its http2 servers, and the http2 stream of a call.
 * Each use checks what it finds, so that a release of grpc-js that moves a member fails the start, or the tests, and not
 * a running service.
 */
import { EventEmitter } from "node:events";
import type { IncomingHttpHeaders, ServerHttp2Stream, SessionOptions } from "node:http2";
import type { Readable } from "node:stream";
import type { Server } from "@grpc/grpc-js";
import { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { Boundary } from "../../common/boundary.ts";
import type { CallStream, EmittingStream } from "../calls/http2-stream.ts";

/** Adds to the options with which `server` will create its http2 servers. */
export function setHttp2Options(server: Server, options: SessionOptions & ResetLimits): void {
  const common: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof common !== "object" || common === null) throw unknownRelease("commonServerOptions");
  Object.assign(common, options);
}

/** Bounds on streams that a client opens and resets (CVE-2023-44487): a token bucket, and its tokens a second. */
export interface ResetLimits {
  readonly streamResetBurst?: number;
  readonly streamResetRate?: number;
}

/** The http2 servers that `server` has created so far. */
export function http2ServersOf(server: Server): readonly EventEmitter[] {
  const servers: unknown = Reflect.get(server, "http2Servers");
  if (!(servers instanceof Map)) throw unknownRelease("http2Servers");
  return Array.from(servers.keys(), (http2Server: unknown) => {
    if (http2Server instanceof EventEmitter) return http2Server;
    throw unknownRelease("http2Servers");
  });
}

/**
 * Calls `admit` before grpc-js handles a new stream. It may change the headers; when it returns false it has answered the
 * stream. `boundary` contains the stream with all its listeners. Returns what lets grpc-js handle another stream, as if it
 * were of node:http2.
 *
 * A stream that its peer has already reset is dropped, since `respond()` on it throws. That happens when the first bytes of
 * a connection were read and put back: node:http2 then parses HEADERS and RST_STREAM before it announces the stream.
 */
export function guardStreams(
  http2Server: EventEmitter,
  boundary: Boundary,
  admit: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, rawHeaders: readonly string[]) => boolean,
): ServeStream {
  const [handle, ...others] = http2Server.listeners("stream");
  if (handle === undefined || others.length > 0) throw unknownRelease("stream listeners");
  http2Server.removeAllListeners("stream");
  const begin = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    flags: number,
    rawHeaders: readonly string[],
  ): void => {
    boundary.contain(stream);
    // Every error of a stream also closes it, and "close" is enough.
    stream.on("error", () => {});
    try {
      if (isOver(stream)) stream.destroy();
      else if (admit(stream, headers, rawHeaders)) {
        Reflect.apply(handle, http2Server, [stream, headers, flags]);
      }
    } catch (error) {
      boundary.caught(stream, error);
    }
  };
  http2Server.on("stream", begin);
  return (stream, headers) => void Reflect.apply(handle, http2Server, [stream, headers, 0]);
}

/** The headers of the stream were validated. */
export type ServeStream = (stream: CallStream, headers: IncomingHttpHeaders) => void;

function isOver(stream: ServerHttp2Stream): boolean {
  return stream.closed || stream.destroyed;
}

/** The http2 stream of a call that no interceptor wraps. */
export function http2StreamOf(call: object): EmittingStream {
  const stream: unknown = Reflect.get(call, "stream");
  if (!isHttp2Stream(stream)) throw unknownRelease("stream");
  return stream;
}

/** Makes a call read one message ahead of its handler, and not 16 as streams do by default, each as large as may be. */
export function takeOneAhead(call: Readable): void {
  const state: unknown = Reflect.get(call, "_readableState");
  const known = typeof state === "object" && state !== null && Reflect.has(state, "highWaterMark");
  if (!known) throw unknownRelease("_readableState");
  Reflect.set(state, "highWaterMark", 1);
}

/** Makes a call send frames as they are: grpc-js would copy each message behind a prefix of its own. */
export function sendFramesAsTheyAre(call: object): void {
  const serialize: unknown = Reflect.get(call, "serializeMessage");
  if (typeof serialize !== "function") throw unknownRelease("serializeMessage");
  Reflect.set(call, "serializeMessage", (message: unknown) =>
    message instanceof GrpcFrame ? message.bytes : Reflect.apply(serialize, call, [message]),
  );
}

function isHttp2Stream(value: unknown): value is EmittingStream {
  return (
    typeof value === "object" &&
    value !== null &&
    ["on", "once", "session", "headersSent", "close"].every((name) => name in value)
  );
}

function unknownRelease(what: string): Error {
  return new Error(`this release of @grpc/grpc-js has no ${what} that meshcache knows`);
}
