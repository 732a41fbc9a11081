/** Passes a call on to the service as it is, in both directions, and a reset of either side to the other. */
import {
  constants,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
  type ServerHttp2Stream,
} from "node:http2";
import { forwarded, responseHeaders, STATUS, statusHeaders, statusOf } from "./grpc-http2.ts";
import type { Upstream } from "./upstream.ts";

export interface ForwardedCall {
  readonly stream: ServerHttp2Stream;
  readonly headers: IncomingHttpHeaders;
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

export function forward(upstream: Upstream, { stream, headers, body, isWhole, ending }: ForwardedCall): void {
  let ended: Promise<OutgoingHttpHeaders> | undefined;
  const end = (code: number) => {
    ended ??= ending?.(code) ?? Promise.resolve({});
    return ended;
  };
  const target = upstream.open(forwarded(headers, PSEUDO), false);
  let trailers: IncomingHttpHeaders = {};
  /** The service has said how the call ended. */
  let isAnswered = false;
  target.on("trailers", (received) => {
    trailers = received;
    isAnswered = true;
  });
  target.on("response", (response, flags) => {
    const sent = forwarded(response, [":status"]);
    const isEnd = (flags & constants.NGHTTP2_FLAG_END_STREAM) !== 0;
    if (!isEnd) {
      if (stream.destroyed) return;
      stream.respond(sent, { waitForTrailers: true });
      target.pipe(stream);
      return;
    }
    isAnswered = true;
    void end(statusOf(response)?.code ?? STATUS.unknown).then((more) => {
      if (!stream.destroyed) stream.respond({ ...sent, ...more }, { endStream: true });
    });
  });
  stream.on("wantTrailers", () => {
    void end(statusOf(trailers)?.code ?? STATUS.unknown).then((more) => {
      if (!stream.destroyed) stream.sendTrailers({ ...forwarded(trailers, []), ...more });
    });
  });
  target.on("error", () => {
    // The `close` that follows ends the call.
  });
  target.on("close", () => {
    const isClean = target.rstCode === constants.NGHTTP2_NO_ERROR && stream.headersSent;
    if (isAnswered || isClean) return;
    void end(STATUS.unknown).then((more) => fail(stream, target.rstCode, more));
  });
  stream.on("close", () => {
    if (!target.destroyed) target.close(constants.NGHTTP2_CANCEL);
    void end(STATUS.cancelled);
  });
  if (body !== undefined && body.length > 0) target.write(body);
  if (isWhole) target.end();
  else stream.pipe(target);
}

/** The service has not answered, or not to the end. */
function fail(stream: ServerHttp2Stream, rstCode: number, more: OutgoingHttpHeaders): void {
  if (stream.destroyed || stream.closed) return;
  if (stream.headersSent) stream.close(rstCode || constants.NGHTTP2_INTERNAL_ERROR);
  else {
    const status = { code: STATUS.unavailable, details: "the service behind the proxy cannot be reached" };
    stream.respond({ ...responseHeaders(undefined), ...statusHeaders(status), ...more }, { endStream: true });
  }
}
