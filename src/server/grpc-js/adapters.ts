/** Streaming calls whose protocol grpc-js speaks, for the handlers that take them from whoever does. */
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  Metadata,
  ServerDuplexStream,
  ServerWritableStream,
} from "@grpc/grpc-js";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import {
  type CallContext,
  type Cancel,
  failureOf,
  type HandlerDeps,
  type OpenBidi,
  type OpenServerStream,
} from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import { toServiceError } from "../calls/service-error.ts";
import { spanOf } from "./interceptor.ts";
import { takeOneAhead } from "./internals.ts";
import { contextOf } from "./unary-handlers.ts";

export function serverStream<Request, Response>(
  deps: HandlerDeps,
  open: OpenServerStream<Request>,
): handleServerStreamingCall<Request, Response | GrpcFrame> {
  return (call) =>
    openStream(call, deps, (context) =>
      open(
        toStreamingCall(call, deps, () => {}),
        call.request,
        context,
      ),
    );
}

export function bidi<Request, Response>(
  deps: HandlerDeps,
  open: OpenBidi<Request>,
): handleBidiStreamingCall<Request, Response | GrpcFrame> {
  return (call) =>
    openStream(call, deps, (context) => {
      takeOneAhead(call);
      const readOn = () => {
        if (reader.paused()) call.pause();
        else if (call.isPaused()) call.resume();
      };
      const reader = open(toStreamingCall(call, deps, readOn), context);
      const fail = (error: unknown) =>
        call.emit("error", failureOf(error, spanOf(call.metadata), deps.telemetry));
      call.on("data", (request: Request) => {
        try {
          reader.receive(request);
          readOn();
        } catch (error) {
          fail(error);
        }
      });
      call.once("end", () => {
        try {
          reader.halfClosed();
        } catch (error) {
          fail(error);
        }
      });
      return () => reader.closed();
    });
}

function toStreamingCall<Request, Response>(
  call:
    | ServerWritableStream<Request, Response | GrpcFrame>
    | ServerDuplexStream<Request, Response | GrpcFrame>,
  { boundary }: HandlerDeps,
  readOn: () => void,
): StreamingCall {
  return {
    get open() {
      return !call.destroyed && !call.writableEnded;
    },
    send(frame, taken) {
      const { heldBytes } = frame;
      call.write(
        frame,
        boundary.guard(call, (error?: Error | null) => {
          if (error) return;
          frame.release();
          taken(heldBytes);
        }),
      );
    },
    end(error) {
      // grpc-js ends a stream with the status that it finds in an error event.
      if (error === undefined) call.end();
      else call.emit("error", toServiceError(error));
    },
    readOn,
  };
}

/** The slice of a streaming call that ends it. */
interface EndableCall {
  readonly metadata: Metadata;
  emit(event: "error", error: object): boolean;
  once(event: "close" | "cancelled", listener: () => void): unknown;
}

function openStream(call: EndableCall, deps: HandlerDeps, open: (context: CallContext) => Cancel): void {
  try {
    const closed = open(contextOf(call.metadata, deps));
    let over = false;
    const once = deps.boundary.guard(undefined, () => {
      if (over) return;
      over = true;
      closed();
    });
    call.once("cancelled", once);
    call.once("close", once);
  } catch (error) {
    call.emit("error", failureOf(error, spanOf(call.metadata), deps.telemetry));
  }
}
