/** Passes a call on to the service as it is, in both directions, and a reset of either side to the other. */
import { constants, type IncomingHttpHeaders, type OutgoingHttpHeaders } from "node:http2";
import type { Boundary } from "../../common/boundary.ts";
import { forwarded, STATUS, statusOf } from "./grpc-http2.ts";
import type { IncomingCall } from "./incoming-call.ts";
import type { Upstream } from "./upstream.ts";

export interface ForwardedCall {
  readonly call: IncomingCall;
  /** What was read of the request already; the rest follows unless `isWhole`. */
  readonly body: Buffer | undefined;
  readonly isWhole: boolean;
  /**
   * Called once with the status of the call, before its end is passed on; what it returns is added to the trailers.
   * Undefined: the end is passed on at once.
   */
  readonly ending: ((code: number) => Promise<OutgoingHttpHeaders>) | undefined;
}

const PSEUDO = [":method", ":scheme", ":path", ":authority"];

/** Throws LIMIT_EXCEEDED when the service has as many calls as it may. */
export function forward(
  upstream: Upstream,
  { call, body, isWhole, ending }: ForwardedCall,
  boundary: Boundary,
): void {
  const { stream } = call;
  let ended: Promise<OutgoingHttpHeaders> | undefined;
  /** Runs `then` behind the end of the call, which is told of once. */
  const end = (code: number, then: (more: OutgoingHttpHeaders) => void) => {
    ended ??= ending?.(code) ?? Promise.resolve({});
    ended.then(then).catch((error: unknown) => boundary.caught(stream, error));
  };
  const target = boundary.contain(upstream.open(forwarded(call.headers, PSEUDO)));
  let trailers: IncomingHttpHeaders = {};
  /** The service has said how the call ended. */
  let isAnswered = false;
  target.on("trailers", (received) => {
    trailers = received;
    isAnswered = true;
  });
  target.on("response", (response, flags) => {
    const sent = forwarded(response, [":status"]);
    if ((flags & constants.NGHTTP2_FLAG_END_STREAM) === 0) {
      if (call.isOver) return;
      stream.respond(sent, { waitForTrailers: true });
      target.pipe(stream);
      return;
    }
    isAnswered = true;
    end(statusOf(response)?.code ?? STATUS.unknown, (more) => {
      if (!call.isOver) stream.respond({ ...sent, ...more }, { endStream: true });
    });
  });
  stream.on(
    "wantTrailers",
    boundary.guard(stream, () =>
      end(statusOf(trailers)?.code ?? STATUS.unknown, (more) => {
        if (!stream.destroyed) stream.sendTrailers({ ...forwarded(trailers, []), ...more });
      }),
    ),
  );
  target.on("error", () => {
    // The `close` that follows ends the call.
  });
  target.on("close", () => {
    const isClean = target.rstCode === constants.NGHTTP2_NO_ERROR && stream.headersSent;
    if (!isAnswered && !isClean) end(STATUS.unknown, (more) => fail(call, target.rstCode, more));
  });
  stream.on(
    "close",
    boundary.guard(target, () => {
      if (!target.destroyed) target.close(constants.NGHTTP2_CANCEL);
      end(STATUS.cancelled, () => {});
    }),
  );
  if (body !== undefined && body.length > 0) target.write(body);
  if (isWhole) target.end();
  else stream.pipe(target);
}

/** The service has not answered, or not to the end. */
function fail(call: IncomingCall, rstCode: number, more: OutgoingHttpHeaders): void {
  const { stream } = call;
  if (stream.destroyed || stream.closed) return;
  if (stream.headersSent) stream.close(rstCode || constants.NGHTTP2_INTERNAL_ERROR);
  else call.end(STATUS.unavailable, "the service behind the proxy cannot be reached", more);
}
