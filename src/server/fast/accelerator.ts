/**
 * The optional accelerator: it serves connections without node:http2, and frequent calls without grpc-js. The listener alone
 * uses it; without it node:http2 and grpc-js serve the same calls with the same answers.
 */
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import type { Rng } from "../../common/random.ts";
import type { Principal } from "../../security/identity/principal.ts";
import { admitStream, refuse } from "../calls/header-validation.ts";
import type { CallSession, CallStream, OwnStream } from "../calls/http2-stream.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { FrameFloods } from "../limits/frame-guard.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { FastCallDeps } from "./call.ts";
import { ManyStreamsSession } from "./many-streams-session.ts";
import { announcesSingleStream } from "./preface.ts";
import { createRouter } from "./router.ts";
import { SingleStreamSession } from "./single-stream-session.ts";

interface AcceleratorDeps extends FastCallDeps {
  /** The methods whose calls it takes. */
  readonly methods: readonly ServedMethod[];
  readonly transport: TransportLimits;
  readonly rng: Rng;
  readonly floods: FrameFloods;
  /** Lets grpc-js serve a call that the accelerator does not take. */
  readonly serveByGrpcJs: (stream: CallStream, headers: IncomingHttpHeaders) => void;
  /** Bounds the streams of a connection under pressure. */
  readonly streamBounds: {
    add(session: CallSession, advertise: (streams: number) => void): () => void;
  };
}

interface FastServer {
  serve(
    socket: Socket,
    firstBytes: Buffer,
    peer: Principal | undefined,
  ): SingleStreamSession | ManyStreamsSession;
}

type ServeOther = (stream: CallStream, headers: IncomingHttpHeaders) => void;

export function createAccelerator(deps: AcceleratorDeps): FastServer {
  const takeCall = createRouter(deps.methods, deps);
  const serveCallOr =
    (serveOther: ServeOther) =>
    (stream: OwnStream, headers: IncomingHttpHeaders): void => {
      if (!admitStream(stream, headers, deps.transport.headersMaxBytes)) return;
      if (!takeCall(stream, headers)) serveOther(stream, headers);
    };
  const { transport: limits, clock, rng, boundary, floods, register, streamBounds } = deps;
  const shared = { limits, clock, rng, boundary, floods };
  const ofSingleStream = serveCallOr(refuseOther);
  const ofManyStreams = serveCallOr(deps.serveByGrpcJs);
  return {
    serve(socket, firstBytes, peer) {
      if (announcesSingleStream(firstBytes)) {
        const connection = new SingleStreamSession(socket, { ...shared, serveCall: ofSingleStream, peer });
        register.opened(connection, socket);
        connection.start(firstBytes);
        return connection;
      }
      const connection = new ManyStreamsSession(socket, {
        ...shared,
        serveCall: ofManyStreams,
        peer,
        arrived: register.arrived,
        unread: register.unread,
        endStalled: register.endStalled,
        inTurn: register.inTurn,
        spend: register.spend,
      });
      register.opened(connection, socket);
      const unbind = register.boundReading(connection, connection.reading);
      const unbound = streamBounds.add(connection, (streams) => connection.advertise(streams));
      connection.once("close", () => {
        unbind();
        unbound();
      });
      connection.start(firstBytes);
      return connection;
    },
  };
}

function refuseOther(stream: CallStream): void {
  refuse(
    stream,
    status.UNIMPLEMENTED,
    "a method or a content type that a single-stream connection does not serve",
  );
}
