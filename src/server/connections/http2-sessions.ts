/**
 * The connections that node:http2 serves for grpc-js: their HTTP/2 options, the validation of headers before anybody
 * looks at a call, and bounds on what a peer may do without making a call.
 *
 * nghttp2 and Node bound rapid resets, CONTINUATION frames, empty DATA frames, header pairs, settings entries and
 * unread acknowledgements, and take no acknowledgement of what was not sent. PING, SETTINGS and GOAWAY frames are
 * counted here.
 */
import {
  constants,
  type IncomingHttpHeaders,
  type ServerHttp2Session,
  type ServerHttp2Stream,
} from "node:http2";
import type { Socket } from "node:net";
import { type Server, ServerCredentials } from "@grpc/grpc-js";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock } from "../../common/clock.ts";
import { type FrameKind, SETTINGS_MAX } from "../../http2/frame.ts";
import { replaceStreamTables } from "../../http2/session-streams.ts";
import type { Principal } from "../../security/identity/principal.ts";
import { admitStream } from "../calls/header-validation.ts";
import { guardStreams, http2ServersOf, type ServeStream, setHttp2Options } from "../grpc-js/internals.ts";
import { createFrameGuard, type FrameFloods } from "../limits/frame-guard.ts";
import type { Reading } from "../limits/readers.ts";
import { SocketReading } from "../limits/socket-reading.ts";
import {
  PINGS_MAX,
  RESETS_BURST,
  RESETS_PER_SECOND,
  type TransportLimits,
} from "../limits/transport-limits.ts";
import type { StreamBounds } from "./stream-bounds.ts";

export interface Http2Sessions {
  /** Serves a new connection, whose first bytes are still in the socket. */
  serve(socket: Socket, peer: Principal | undefined): void;
  /** Lets grpc-js serve a stream of another connection. */
  readonly serveStream: ServeStream;
  /** Tells each client to make no new call. A session ends with its last call. */
  retire(): void;
  /** Ends every session now. */
  destroy(): void;
}

interface Http2SessionsOptions {
  readonly limits: TransportLimits;
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly floods: FrameFloods;
  /** Bounds the unary calls of sessions under pressure. */
  readonly streamBounds: StreamBounds;
  /** Lists a session and its socket. */
  readonly opened: (session: ServerHttp2Session, socket: Socket) => void;
  /** Bounds what is read of a session. Returns what is to be called when it is closed. */
  readonly boundReading: (session: ServerHttp2Session, reading: Reading) => () => void;
}

/** Has to be called before `server` starts. */
export function createHttp2Sessions(
  server: Server,
  { limits, clock, boundary, floods, streamBounds, opened, boundReading }: Http2SessionsOptions,
): Http2Sessions {
  setHttp2Options(server, {
    settings: {
      maxConcurrentStreams: limits.connectionMaxStreams,
      initialWindowSize: limits.flowControlWindowBytes,
      maxHeaderListSize: limits.headersMaxBytes,
    },
    maxHeaderListPairs: limits.headersMaxPairs,
    maxSettings: SETTINGS_MAX,
    maxOutstandingPings: PINGS_MAX,
    streamResetBurst: RESETS_BURST,
    streamResetRate: RESETS_PER_SECOND,
  });
  // Also for connections with TLS, which has ended before.
  const injector = server.createConnectionInjector(ServerCredentials.createInsecure());
  const sessions = new Set<ServerHttp2Session>();
  /** Whether grpc-js serves the stream. */
  const admit = (
    stream: ServerHttp2Stream,
    headers: IncomingHttpHeaders,
    rawHeaders: readonly string[],
  ): boolean => {
    keepRepeatedAuthorization(headers, rawHeaders);
    return admitStream(stream, headers, limits.headersMaxBytes);
  };
  /** Of the connection whose session is being created. */
  let arriving: { readonly socket: Socket; readonly peer: Principal | undefined } | undefined;
  let serveStream: ServeStream | undefined;
  for (const http2Server of http2ServersOf(server)) {
    serveStream = guardStreams(http2Server, boundary, admit);
    http2Server.on("session", (session: ServerHttp2Session) => {
      boundary.contain(session);
      replaceStreamTables(session);
      Object.assign(session, { peer: arriving?.peer });
      if (arriving !== undefined) {
        opened(session, arriving.socket);
        session.once("close", boundReading(session, new SocketReading(arriving.socket)));
      }
      sessions.add(session);
      const unbound = streamBounds.add(session, (streams) =>
        session.settings({ maxConcurrentStreams: streams }),
      );
      session.once("close", () => {
        sessions.delete(session);
        unbound();
      });
      // A protocol fault of the peer ends its session; there is nobody to tell.
      session.on("error", () => {});
      guardSession(session, { limits, clock, boundary, floods });
    });
  }
  if (serveStream === undefined) throw new Error("grpc-js has no http2 server for the injector");
  return {
    serveStream,
    serve(socket, peer) {
      arriving = { socket, peer };
      injector.injectConnection(socket);
    },
    retire() {
      for (const session of sessions) session.close();
    },
    destroy() {
      for (const session of sessions) session.destroy();
      injector.destroy();
    },
  };
}

/** Node drops all of these headers but the first. Joined by a comma they are no token, as on a single-stream connection. */
function keepRepeatedAuthorization(headers: IncomingHttpHeaders, rawHeaders: readonly string[]): void {
  if (headers.authorization === undefined) return;
  const values = rawHeaders.filter((_, at) => at % 2 === 1 && rawHeaders[at - 1] === "authorization");
  if (values.length > 1) headers.authorization = values.join(", ");
}

/** Bounds what a peer may do on a connection without making a call. */
function guardSession(
  session: ServerHttp2Session,
  { limits, clock, boundary, floods }: Pick<Http2SessionsOptions, "limits" | "clock" | "boundary" | "floods">,
): void {
  // This is the window of the connection; that of its streams comes with SETTINGS.
  session.setLocalWindowSize(limits.flowControlWindowBytes);
  const end = () => session.destroy(undefined, constants.NGHTTP2_ENHANCE_YOUR_CALM);
  const preface = clock.schedule(limits.halfCloseMaxMs, boundary.guard(session, end));
  session.once("remoteSettings", () => preface.cancel());
  session.once("close", () => preface.cancel());
  const admits = createFrameGuard(limits, clock, floods);
  const count = (kind: FrameKind): void => {
    if (!session.destroyed && !admits(kind)) end();
  };
  session.on("ping", () => count("ping"));
  session.on("remoteSettings", () => count("settings"));
  session.on("goaway", () => count("go_away"));
}
