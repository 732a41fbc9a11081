/**
 * The optional accelerator: it serves frequent calls, and connections that announce a single stream, without grpc-js. The
 * listener alone uses it; without it grpc-js serves the same calls with the same answers.
 */
import type { IncomingHttpHeaders } from "node:http2";
import type { Socket } from "node:net";
import { status } from "@grpc/grpc-js";
import type { Rng } from "../../common/random.ts";
import type { Principal } from "../../security/identity/principal.ts";
import { admitStream, refuse } from "../calls/header-validation.ts";
import type { CallStream } from "../calls/http2-stream.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { FrameFloods } from "../limits/frame-guard.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { FastCallDeps } from "./call.ts";
import { announcesSingleStream } from "./preface.ts";
import { createRouter, type TakeCall } from "./router.ts";
import { SingleStreamSession } from "./single-stream-session.ts";

interface AcceleratorDeps extends FastCallDeps {
  /** The methods whose calls it takes. */
  readonly methods: readonly ServedMethod[];
  readonly transport: TransportLimits;
  readonly rng: Rng;
  readonly floods: FrameFloods;
}

interface FastServer {
  readonly takeCall: TakeCall;
  takeConnection(
    socket: Socket,
    firstBytes: Buffer,
    peer: Principal | undefined,
  ): SingleStreamSession | undefined;
}

export function createAccelerator(deps: AcceleratorDeps): FastServer {
  const takeCall = createRouter(deps.methods, deps);
  const serveCall = (stream: CallStream, headers: IncomingHttpHeaders): void => {
    if (!admitStream(stream, headers, deps.transport.headersMaxBytes)) return;
    if (takeCall(stream, headers)) return;
    refuse(
      stream,
      status.UNIMPLEMENTED,
      "a method or a content type that a single-stream connection does not serve",
    );
  };
  return {
    takeCall,
    takeConnection(socket, firstBytes, peer) {
      if (!announcesSingleStream(firstBytes)) return undefined;
      const { transport: limits, clock, rng, boundary, floods } = deps;
      const connection = new SingleStreamSession(socket, {
        limits,
        clock,
        rng,
        boundary,
        floods,
        serveCall,
        peer,
      });
      deps.register.opened(connection, socket);
      connection.start(firstBytes);
      return connection;
    },
  };
}
