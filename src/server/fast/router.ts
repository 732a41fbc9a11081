/**
 * Takes calls without the layers of grpc-js, which cost more than twice as much as a unary call itself. A call whose
 * headers are not plain (another content type, a compressed request) is left to grpc-js, which gives the same answer.
 */
import type { IncomingHttpHeaders } from "node:http2";
import { methodPath } from "../../codec/messages.ts";
import type { OwnStream } from "../calls/http2-stream.ts";
import type { ServedMethod } from "../calls/methods.ts";
import type { FastCallDeps } from "./call.ts";
import { FastStreamingCall } from "./streaming-call.ts";
import { toBidiMethod, toServerStreamMethod } from "./streaming-methods.ts";
import { FastUnaryCall } from "./unary-call.ts";

/** Content types of messages without an encoding of their own. */
const CONTENT_TYPES: ReadonlySet<string | undefined> = new Set([
  "application/grpc",
  "application/grpc+proto",
]);
const ENCODINGS: ReadonlySet<unknown> = new Set([undefined, "identity"]);

/** True: the call is taken, and its stream with it. Its headers were validated. */
export type TakeCall = (stream: OwnStream, headers: IncomingHttpHeaders) => boolean;

type BeginCall = (stream: OwnStream, headers: IncomingHttpHeaders) => void;

export function createRouter(methods: readonly ServedMethod[], deps: FastCallDeps): TakeCall {
  const begin = new Map<string | undefined, BeginCall>();
  for (const method of methods) begin.set(methodPath(method.descriptor), toBeginCall(method, deps));
  return (stream, headers) => {
    const take = begin.get(headers[":path"]);
    if (take === undefined || !isPlain(headers)) return false;
    take(stream, headers);
    return true;
  };
}

function toBeginCall({ descriptor, handler, request }: ServedMethod, deps: FastCallDeps): BeginCall {
  const { input, output } = descriptor;
  const kind = { path: methodPath(descriptor), requestMaxBytes: request.maxBytes };
  switch (handler.kind) {
    case "unary": {
      const method = { ...kind, requestStream: false, input, output, handler } as const;
      return (stream, headers) => new FastUnaryCall(method, stream, headers, deps).begin(headers);
    }
    case "serverStream": {
      const method = toServerStreamMethod(kind, input, deps.limits, handler);
      return (stream, headers) => new FastStreamingCall(method, stream, headers, deps).begin(headers);
    }
    case "bidi": {
      const method = toBidiMethod(kind, input, deps.limits, handler);
      return (stream, headers) => new FastStreamingCall(method, stream, headers, deps).begin(headers);
    }
    default:
      return handler satisfies never;
  }
}

function isPlain(headers: IncomingHttpHeaders): boolean {
  return (
    headers[":method"] === "POST" &&
    CONTENT_TYPES.has(headers["content-type"]) &&
    ENCODINGS.has(headers["grpc-encoding"])
  );
}
