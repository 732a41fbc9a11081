/**
 * The listening socket and its HTTP/2 connections: how many there may be, what each may do below the level
 * of calls, and how they end. Calls themselves are taken by whom the options name, or are grpc-js's.
 *
 * nghttp2 and Node bound rapid resets, CONTINUATION frames, empty DATA frames, header pairs, settings
 * entries and unread acknowledgements; PING and SETTINGS frames that a peer does read are counted here. A connection for
 * one stream bounds all of it by itself.
 */
import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import { createServer as createNetServer, type Socket } from "node:net";
import { type Server, ServerCredentials, status } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import type { Rng } from "../../common/random.ts";
import { SETTINGS_MAX } from "../../http2/frame.ts";
import { admitStream, refuse } from "../calls/header-validation.ts";
import type { TakeCall } from "../fast/router.ts";
import { PINGS_MAX, SoleStream } from "../fast/single-stream.ts";
import { guardStreams, http2ServersOf, idleCountOf, setHttp2Options } from "../grpc-js/internals.ts";
import type { Quota } from "../limits/quotas.ts";
import { createRateGuard } from "../limits/rate-limiter.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { announcesSoleStream, hearGreeting } from "./preface.ts";

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
  readonly rng: Rng;
  readonly boundary: Boundary;
  /** Default: without TLS. */
  readonly credentials: ServerCredentials | undefined;
  /** Connections that the process may have. */
  readonly quota: Quota;
  /** Other servers of this process listen on the same port, and the system spreads connections over them. */
  readonly sharesPort: boolean;
  /** Takes the calls that are not for grpc-js. */
  readonly takeCall: TakeCall;
}

export function createConnections(
  server: Server,
  { limits, clock, rng, boundary, credentials, quota, sharesPort, takeCall }: ConnectionsOptions,
): Connections {
  setHttp2Options(server, {
    settings: {
      maxConcurrentStreams: limits.connectionMaxStreams,
      initialWindowSize: limits.flowControlWindowBytes,
      maxHeaderListSize: limits.headersMaxBytes,
    },
    maxHeaderListPairs: limits.headersMaxPairs,
    maxSettings: SETTINGS_MAX,
    maxOutstandingPings: PINGS_MAX,
    streamResetBurst: 1_000,
    streamResetRate: 33,
  });
  const injector = server.createConnectionInjector(credentials ?? ServerCredentials.createInsecure());
  const sockets = new Set<Socket>();
  const sessions = new Set<ServerHttp2Session>();
  const soleStreams = new Set<SoleStream>();
  /** Connections that have said nothing yet. */
  const silent = new Set<Socket>();
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
    guardStreams(http2Server, boundary, admit);
    http2Server.on("session", (session: ServerHttp2Session) => {
      boundary.contain(session);
      sessions.add(session);
      session.once("close", () => sessions.delete(session));
      // A protocol fault of the peer ends its session; there is nobody to tell.
      session.on("error", () => {});
      guardSession(session, { limits, clock, boundary });
    });
  }

  const serveSoleStream = (socket: Socket, greeting: Buffer): void => {
    const sole = new SoleStream(socket, {
      limits,
      clock,
      rng,
      boundary,
      take(stream, headers) {
        if (admitStream(stream, headers) && !takeCall(stream, headers)) {
          refuse(
            stream,
            status.UNIMPLEMENTED,
            "a method or a content type that takes no connection of its own",
          );
        }
      },
    });
    soleStreams.add(sole);
    socket.once("close", () => soleStreams.delete(sole));
    sole.greet(greeting);
  };

  const welcome = (socket: Socket): void => {
    // What comes encrypted is for grpc-js to read.
    if (credentials !== undefined) {
      injector.injectConnection(socket);
      return;
    }
    silent.add(socket);
    const late = clock.schedule(
      limits.halfCloseMaxMs,
      boundary.guard(socket, () => socket.destroy()),
    );
    hearGreeting(socket, (greeting) => {
      silent.delete(socket);
      late.cancel();
      if (greeting === undefined) socket.destroy();
      else if (announcesSoleStream(greeting)) serveSoleStream(socket, greeting);
      else {
        socket.unshift(greeting);
        injector.injectConnection(socket);
      }
    });
  };

  const accept = (socket: Socket): void => {
    boundary.contain(socket);
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
    welcome(socket);
  };
  const listener = createNetServer({ noDelay: true }, (socket) => boundary.guard(socket, accept)(socket));

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
      for (const sole of soleStreams) sole.retire();
      for (const socket of silent) socket.destroy();
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
function guardSession(
  session: ServerHttp2Session,
  { limits, clock, boundary }: Pick<ConnectionsOptions, "limits" | "clock" | "boundary">,
): void {
  // Sets the connection's own window; the stream's comes with SETTINGS.
  session.setLocalWindowSize(limits.flowControlWindowBytes);
  const end = () => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const greeting = clock.schedule(limits.halfCloseMaxMs, boundary.guard(session, end));
  session.once("remoteSettings", () => greeting.cancel());
  session.once("close", () => greeting.cancel());
  const pingAdmits = createRateGuard(limits.connectionMaxPingsPerSecond, clock);
  const settingsAdmits = createRateGuard(limits.connectionMaxSettingsPerSecond, clock);
  session.on("ping", () => {
    if (!pingAdmits()) end();
  });
  session.on("remoteSettings", () => {
    if (!settingsAdmits()) end();
  });
}
