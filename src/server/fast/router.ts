/**
 * Calls that are spoken over http2 without grpc-js's layers, which cost twice as much as such a call: those that are
 * answered as soon as their request is whole, and those that carry events and batches. What is not plain about a call's
 * headers (another content type, a compressed request) is left to grpc-js, whose answer is the same.
 */
import type { IncomingHttpHeaders } from "node:http2";
import type {
  DescMessage,
  DescMethodBiDiStreaming,
  DescMethodServerStreaming,
  DescMethodUnary,
  MessageShape,
} from "@bufbuild/protobuf";
import { decodeMessage, encodeFrame, methodPath } from "../../codec/messages.ts";
import type { CallSpan } from "../../telemetry/telemetry.ts";
import {
  type CallContext,
  CLIENT_ID_HEADER,
  type HandlerDeps,
  logFault,
  type OpenBidi,
  type OpenServerStream,
  toContext,
} from "../calls/handler.ts";
import type { RequestReader } from "../calls/handler-call.ts";
import type { CallStream } from "../calls/http2-stream.ts";
import type { HeaderReader } from "../calls/registry.ts";
import { type DirectCallDeps, undecodable } from "./call.ts";
import { DirectStream, type DirectStreamMethod } from "./streaming-call.ts";
import { DirectUnary, type DirectUnaryMethod } from "./unary-call.ts";

/** What a caller says of its messages when there is nothing special about them. */
const CONTENT_TYPES: ReadonlySet<string | undefined> = new Set([
  "application/grpc",
  "application/grpc+proto",
]);
const ENCODINGS: ReadonlySet<unknown> = new Set([undefined, "identity"]);

/** The methods whose calls are taken. */
export interface DirectMethods {
  readonly unary: readonly DirectUnaryMethod[];
  readonly streaming: readonly DirectStreamMethod[];
}

/** True: the call is taken, and its stream with it. Headers were checked. */
export type TakeCall = (stream: CallStream, headers: IncomingHttpHeaders) => boolean;

type MethodDeps = Pick<HandlerDeps, "limits" | "telemetry">;

/** The method of a handler that only looks and answers. */
export function directUnary<Input extends DescMessage, Output extends DescMessage>(
  deps: MethodDeps,
  method: DescMethodUnary<Input, Output>,
  run: (request: MessageShape<Input>, context: CallContext) => MessageShape<Output>,
): DirectUnaryMethod {
  return {
    path: methodPath(method),
    requestStream: false,
    answer(message, span, header) {
      const request = decodeRequest(method.input, message);
      return loggingFaults(deps, span, () =>
        encodeFrame(method.output, run(request, contextOf(span, header, deps))),
      );
    },
  };
}

/** The method of a handler that is given its request when that is whole. */
export function directServerStream<Input extends DescMessage, Output extends DescMessage>(
  deps: MethodDeps,
  method: DescMethodServerStreaming<Input, Output>,
  open: OpenServerStream<MessageShape<Input>>,
): DirectStreamMethod {
  return {
    path: methodPath(method),
    requestStream: false,
    open(call, span, header) {
      let request: MessageShape<Input> | undefined;
      let closed = (): void => {};
      return {
        receive(message) {
          request = decodeRequest(method.input, message);
        },
        paused: () => false,
        halfClosed() {
          const whole = request;
          if (whole === undefined) throw undecodable();
          closed = loggingFaults(deps, span, () => open(call, whole, contextOf(span, header, deps)));
        },
        closed: () => closed(),
      };
    },
  };
}

/** The method of a handler that is open before its first request. */
export function directBidi<Input extends DescMessage, Output extends DescMessage>(
  deps: MethodDeps,
  method: DescMethodBiDiStreaming<Input, Output>,
  open: OpenBidi<MessageShape<Input>>,
): DirectStreamMethod {
  return {
    path: methodPath(method),
    requestStream: true,
    open(call, span, header): RequestReader<Uint8Array> {
      const reader = loggingFaults(deps, span, () => open(call, contextOf(span, header, deps)));
      return {
        receive: (message) => reader.receive(decodeRequest(method.input, message)),
        paused: () => reader.paused(),
        halfClosed: () => reader.halfClosed(),
        closed: () => reader.closed(),
      };
    },
  };
}

function loggingFaults<Result>({ telemetry }: MethodDeps, span: CallSpan, run: () => Result): Result {
  try {
    return run();
  } catch (error) {
    logFault(error, span, telemetry);
    throw error;
  }
}

function contextOf(span: CallSpan, header: HeaderReader, { limits }: MethodDeps): CallContext {
  return toContext(span, header(CLIENT_ID_HEADER) ?? "", limits);
}

function decodeRequest<Input extends DescMessage>(schema: Input, message: Uint8Array): MessageShape<Input> {
  try {
    return decodeMessage(schema, message);
  } catch {
    throw undecodable();
  }
}

export function createDirectCalls(methods: DirectMethods, deps: DirectCallDeps): TakeCall {
  const begin = new Map<string | undefined, (stream: CallStream, headers: IncomingHttpHeaders) => void>();
  for (const method of methods.unary) {
    begin.set(method.path, (stream, headers) => new DirectUnary(method, stream, headers, deps).begin());
  }
  for (const method of methods.streaming) {
    begin.set(method.path, (stream, headers) => new DirectStream(method, stream, headers, deps).begin());
  }
  return (stream, headers) => {
    const take = begin.get(headers[":path"]);
    if (take === undefined || !isPlain(headers)) return false;
    take(stream, headers);
    return true;
  };
}

function isPlain(headers: IncomingHttpHeaders): boolean {
  return (
    headers[":method"] === "POST" &&
    CONTENT_TYPES.has(headers["content-type"]) &&
    ENCODINGS.has(headers["grpc-encoding"])
  );
}
