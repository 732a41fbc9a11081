/** Streaming handlers as the accelerator calls them, with the bytes of their requests. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import { decodeRequest, undecodable } from "../calls/decode-request.ts";
import type { BidiHandler, CallContext, Cancel, ServerStreamHandler } from "../calls/handler.ts";
import type { RequestReader, StreamingCall } from "../calls/handler-call.ts";
import type { FastCallDeps, MethodKind } from "./call.ts";

/** A method that sends more than one message. */
export interface FastStreamingMethod extends MethodKind {
  /** Without a request stream the reader is given exactly one request. Throws what becomes the status. */
  open(call: StreamingCall, context: CallContext): RequestReader<Uint8Array>;
}

/** Calls the handler when the request is complete. */
export function toServerStreamMethod(
  kind: Omit<MethodKind, "requestStream">,
  input: DescMessage,
  limits: FastCallDeps["limits"],
  handler: ServerStreamHandler<Message>,
): FastStreamingMethod {
  return {
    ...kind,
    requestStream: false,
    open(call, context) {
      let request: Message | undefined;
      let close: Cancel | undefined;
      return {
        receive(message) {
          request = decodeRequest(input, message, limits);
        },
        paused: () => false,
        halfClosed() {
          if (request === undefined) throw undecodable();
          close = handler.open(call, request, context);
        },
        closed: () => close?.(),
      };
    },
  };
}

/** Calls the handler before the first request. */
export function toBidiMethod(
  kind: Omit<MethodKind, "requestStream">,
  input: DescMessage,
  limits: FastCallDeps["limits"],
  handler: BidiHandler<Message>,
): FastStreamingMethod {
  return {
    ...kind,
    requestStream: true,
    open(call, context) {
      const reader = handler.open(call, context);
      return {
        receive: (message) => reader.receive(decodeRequest(input, message, limits)),
        paused: () => reader.paused(),
        halfClosed: () => reader.halfClosed(),
        closed: () => reader.closed(),
      };
    },
  };
}
