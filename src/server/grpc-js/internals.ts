/**
 * What this server needs of grpc-js and grpc-js keeps to itself: the options and the events of its http2
 * server, and the http2 stream of a call. Every reach is checked, so that a release of grpc-js that moves
 * something stops the start, or the tests, and not the service.
 */

import { EventEmitter } from "node:events";
import type { IncomingHttpHeaders, ServerHttp2Stream, SessionOptions } from "node:http2";
import { Duplex, type Readable } from "node:stream";
import type { Server } from "@grpc/grpc-js";
import { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import type { Boundary } from "../../common/boundary.ts";
import type { ListedStream } from "../calls/http2-stream.ts";

/** Adds to the options with which `server` will create its http2 server. */
export function setHttp2Options(server: Server, options: SessionOptions & ResetLimits): void {
  const common: unknown = Reflect.get(server, "commonServerOptions");
  if (typeof common !== "object" || common === null) throw unknownRelease("commonServerOptions");
  Object.assign(common, options);
}

/** Bounds on streams that a client opens and resets (CVE-2023-44487): a bucket and its refill a second. */
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
 * Puts `admit` before grpc-js's own handling of new streams. It may change the headers; when it returns
 * false it has answered the stream itself. Streams are contained by `boundary` with all that listens to them.
 *
 * A stream that its peer has already reset is nobody's call, and `respond()` on it throws: when the connection's first
 * bytes were read here and given back, node:http2 parses HEADERS and RST_STREAM before it announces the stream.
 */
export function guardStreams(
  http2Server: EventEmitter,
  boundary: Boundary,
  admit: (stream: ServerHttp2Stream, headers: IncomingHttpHeaders) => boolean,
): void {
  const [handle, ...others] = http2Server.listeners("stream");
  if (handle === undefined || others.length > 0) throw unknownRelease("stream listeners");
  http2Server.removeAllListeners("stream");
  http2Server.on("stream", (stream: ServerHttp2Stream, headers: IncomingHttpHeaders, flags: number) => {
    boundary.contain(stream);
    // Whatever goes wrong with a stream also closes it: there is nothing else to tell.
    stream.on("error", () => {});
    try {
      if (isOver(stream)) stream.destroy();
      else if (admit(stream, headers)) Reflect.apply(handle, http2Server, [stream, headers, flags]);
    } catch (error) {
      boundary.caught(stream, error);
    }
  });
}

function isOver(stream: ServerHttp2Stream): boolean {
  return stream.closed || stream.destroyed;
}

/** Has a stream that grpc-js does not see count all the same as use of its connection, which else is closed as idle. */
export function idleCountOf(server: Server): (stream: ServerHttp2Stream) => void {
  const opened: unknown = Reflect.get(server, "onStreamOpened");
  if (typeof opened !== "function") throw unknownRelease("onStreamOpened");
  return (stream) => Reflect.apply(opened, server, [stream]);
}

/** The http2 stream under a call that no interceptor wraps. */
export function http2StreamOf(call: object): ListedStream {
  const stream: unknown = Reflect.get(call, "stream");
  if (!isHttp2Stream(stream)) throw unknownRelease("stream");
  return stream;
}

/** Has a call take one message ahead of its handler, and not the 16 of up to the largest size that streams do. */
export function takeOneAhead(call: Readable): void {
  const state: unknown = Reflect.get(call, "_readableState");
  const known = typeof state === "object" && state !== null && Reflect.has(state, "highWaterMark");
  if (!known) throw unknownRelease("_readableState");
  Reflect.set(state, "highWaterMark", 1);
}

/** Has a call send frames as they are: grpc-js would copy each message to memory of its own, behind the prefix. */
export function sendFramesAsTheyAre(call: object): void {
  const serialize: unknown = Reflect.get(call, "serializeMessage");
  if (typeof serialize !== "function") throw unknownRelease("serializeMessage");
  Reflect.set(call, "serializeMessage", (message: unknown) =>
    message instanceof GrpcFrame ? message.bytes : Reflect.apply(serialize, call, [message]),
  );
}

function isHttp2Stream(value: unknown): value is ListedStream {
  return value instanceof Duplex && "session" in value && "rstCode" in value && "close" in value;
}

function unknownRelease(what: string): Error {
  return new Error(`this release of @grpc/grpc-js has no ${what} that meshcache knows`);
}
