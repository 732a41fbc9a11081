/**
 * The listening socket and its HTTP/2 connections: how many there may be, what each may do below the level
 * of calls, and how they end. Calls themselves are taken by whom the options name, or are grpc-js's.
 *
 * nghttp2 and Node bound rapid resets, CONTINUATION frames, empty DATA frames, header pairs, settings
 * entries and unread acknowledgements; PING and SETTINGS frames that a peer does read are counted here.
 */
import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createNetServer, type Socket } from "node:net";
import { type Server, type ServerCredentials, status } from "@grpc/grpc-js";
import type { Clock } from "../clock.ts";
import type { TakeCall } from "./direct-calls.ts";
import { guardStreams, http2ServersOf, idleCountOf, setHttp2Options } from "./grpc-internals.ts";
import { parseTimeoutMs } from "./grpc-timeout.ts";
import type { Quota } from "./process-bounds.ts";
import type { TransportLimits } from "./transport-limits.ts";

export interface Connections {
  /** Binds and resolves with the port; rejects when it cannot. */
  listen(host: string, port: number): Promise<number>;
  /** Accepts no connection any more and tells each open one to make no new call; they end with their calls. */
  retire(): void;
  /** Resolves when the last connection is gone. */
  emptied(): Promise<void>;
  /** Ends every connection now. */
  destroy(): void;
}

export interface ConnectionsOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  /** Connections that the process may have. */
  readonly quota: Quota;
  /** Other servers of this process listen on the same port, and the system spreads connections over them. */
  readonly sharesPort: boolean;
  /** Takes the calls that are not for grpc-js. */
  readonly takeCall: TakeCall;
}

/** Longest `grpc-timeout` that grpc-js can count: it overflows a signed 32-bit number of milliseconds. */
const TIMEOUT_MAX_MS = 2 ** 31 - 1;
const HEADER_NAME = /^:?[0-9a-z_.-]+$/;
const PRINTABLE_ASCII = /^[\x20-\x7e]*$/;
const RATE_WINDOW_MS = 1_000;

export function createConnections(
  server: Server,
  credentials: ServerCredentials,
  { limits, clock, quota, sharesPort, takeCall }: ConnectionsOptions,
): Connections {
  setHttp2Options(server, {
    settings: {
      maxConcurrentStreams: limits.connectionMaxStreams,
      initialWindowSize: limits.flowControlWindowBytes,
      maxHeaderListSize: limits.headersMaxBytes,
    },
    maxHeaderListPairs: limits.headersMaxPairs,
    maxSettings: 32,
    maxOutstandingPings: 10,
    streamResetBurst: 1_000,
    streamResetRate: 33,
  });
  const injector = server.createConnectionInjector(credentials);
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  let onEmpty: (() => void) | undefined;

  const countForIdleness = idleCountOf(server);
  /** Whether a stream is for grpc-js. */
  const admit = (stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean => {
    if (!admitStream(stream, headers)) return false;
    if (!takeCall(stream, headers)) return true;
    countForIdleness(stream);
    return false;
  };
  for (const http2Server of http2ServersOf(server)) {
    guardStreams(http2Server, admit);
    http2Server.on("session", (session: ServerHttp2Session) => {
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      // A protocol fault of the peer ends its session; there is nobody to tell.
      session.on("error", () => {});
      guardSession(session, limits, clock);
    });
  }

  const listener = createNetServer({ noDelay: true }, (socket) => {
    socket.on("error", () => {});
    if (!quota.take()) {
      socket.destroy();
      return;
    }
    sockets.add(socket);
    socket.once("close", () => {
      quota.give();
      sockets.delete(socket);
      if (sockets.size === 0) onEmpty?.();
    });
    injector.injectConnection(socket);
  });

  return {
    listen: (host, port) =>
      new Promise((resolve, reject) => {
        listener.once("error", reject);
        listener.listen({ host, port, backlog: 1_024, reusePort: sharesPort }, () => {
          listener.off("error", reject);
          const address = listener.address();
          if (address === null || typeof address === "string") reject(new Error("not a TCP address"));
          else resolve(address.port);
        });
      }),
    retire() {
      listener.close();
      for (const session of sessions) session.close();
    },
    emptied: () =>
      new Promise((resolve) => {
        onEmpty = resolve;
        if (sockets.size === 0) resolve();
      }),
    destroy() {
      listener.close();
      for (const session of sessions) session.destroy();
      for (const socket of sockets) socket.destroy();
      injector.destroy();
    },
  };
}

/** Bounds what a peer may do on a connection without making a call. */
function guardSession(session: ServerHttp2Session, limits: TransportLimits, clock: Clock): void {
  // Sets the connection's own window; the stream's comes with SETTINGS.
  session.setLocalWindowSize(limits.flowControlWindowBytes);
  const end = () => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const greeting = clock.schedule(limits.halfCloseMaxMs, end);
  session.once("remoteSettings", () => greeting.cancel());
  session.once("close", () => greeting.cancel());
  session.on("ping", createRateGuard(limits.connectionMaxPingsPerSecond, clock, end));
  session.on("remoteSettings", createRateGuard(limits.connectionMaxSettingsPerSecond, clock, end));
}

function createRateGuard(max: number, clock: Clock, exceeded: () => void): () => void {
  let windowEndsMs = 0;
  let count = 0;
  return () => {
    const nowMs = clock.nowMs();
    if (nowMs >= windowEndsMs) {
      windowEndsMs = nowMs + RATE_WINDOW_MS;
      count = 0;
    }
    count += 1;
    if (count > max) exceeded();
  };
}

/**
 * Keeps from grpc-js what it would log or echo as it came: malformed header names and values, paths that are
 * not text. Shortens a deadline that it would overflow on.
 */
function admitStream(stream: ServerHttp2Stream, headers: IncomingHttpHeaders): boolean {
  for (const name in headers) {
    if (!HEADER_NAME.test(name)) return refuse(stream, status.INVALID_ARGUMENT, "malformed metadata key");
    if (!isPrintable(headers[name])) {
      return name === constants.HTTP2_HEADER_PATH
        ? refuse(stream, status.UNIMPLEMENTED, "unknown method")
        : refuse(stream, status.INVALID_ARGUMENT, "malformed metadata value");
    }
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

/** Node keeps some repeated headers as lists. */
function isPrintable(value: string | string[] | undefined): boolean {
  if (typeof value === "string") return PRINTABLE_ASCII.test(value);
  return value === undefined || value.every((one) => PRINTABLE_ASCII.test(one));
}

function refuse(stream: ServerHttp2Stream, code: status, details: string): false {
  stream.on("error", () => {});
  stream.respond(
    {
      ":status": 200,
      "content-type": "application/grpc+proto",
      "grpc-status": String(code),
      "grpc-message": details,
    },
    { endStream: true },
  );
  // The rest of the request is of no interest, and without this the call would last until it has come (RFC 9113,
  // section 8.1).
  stream.close(constants.NGHTTP2_NO_ERROR);
  return false;
}
