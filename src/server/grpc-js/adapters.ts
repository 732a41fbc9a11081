/** Serves a table of methods through grpc-js: handlers of this server as the service implementations of grpc-js. */
import type { DescMessage, Message } from "@bufbuild/protobuf";
import type {
  handleBidiStreamingCall,
  handleServerStreamingCall,
  handleUnaryCall,
  Metadata,
  Server,
  ServerDuplexStream,
  ServerWritableStream,
  ServiceDefinition,
  UntypedHandleCall,
} from "@grpc/grpc-js";
import type { GrpcFrame } from "../../codec/framing/grpc-frame.ts";
import { createServiceDefinition, encodeFrame } from "../../codec/messages.ts";
import { CacheError } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { refusalOf } from "../calls/decode-request.ts";
import {
  type BidiHandler,
  type CallContext,
  type Cancel,
  CLIENT_ID_HEADER,
  failureOf,
  type HandlerDeps,
  type ServerStreamHandler,
  toContext,
  type UnaryHandler,
} from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import type { Handler, ServedMethod } from "../calls/methods.ts";
import { toServiceError } from "../calls/service-error.ts";
import { accessOf, memoryOf, RefusedRequest, spanOf } from "./interceptor.ts";
import { takeOneAhead } from "./internals.ts";

/** The methods of one service. */
export function addMethods(server: Server, methods: readonly ServedMethod[], deps: HandlerDeps): void {
  const implementation = Object.fromEntries(
    methods.map(({ descriptor, handler }) => [
      descriptor.localName,
      toHandleCall(handler, descriptor.output, deps),
    ]),
  );
  server.addService(definitionOf(methods, deps.limits), implementation);
}

/** The definition of grpc-js, which looks at each request before it decodes it. */
function definitionOf(methods: readonly ServedMethod[], limits: Limits): ServiceDefinition {
  const descriptors = methods.map(({ descriptor }) => descriptor);
  const inputs = new Map(descriptors.map(({ localName, input }) => [localName, input]));
  const entries = Object.entries(createServiceDefinition({ methods: descriptors }));
  return Object.fromEntries(
    entries.map(([name, method]) => {
      const input = inputs.get(name);
      const requestDeserialize = (bytes: Buffer): unknown => {
        const refusal = input && refusalOf(input, bytes, limits);
        return refusal === undefined ? method.requestDeserialize(bytes) : new RefusedRequest(refusal);
      };
      return [name, { ...method, requestDeserialize }];
    }),
  );
}

function toHandleCall(handler: Handler, output: DescMessage, deps: HandlerDeps): UntypedHandleCall {
  switch (handler.kind) {
    case "unary":
      return toUnaryCall(handler, output, deps);
    case "serverStream":
      return toServerStreamingCall(handler, deps);
    case "bidi":
      return toBidiCall(handler, deps);
    default:
      return handler satisfies never;
  }
}

function toUnaryCall(
  handler: UnaryHandler<Message, Message>,
  output: DescMessage,
  deps: HandlerDeps,
): handleUnaryCall<Message, GrpcFrame> {
  return (call, callback) => {
    // It may run inside the call of another peer, which a failure here must not end.
    const settle = deps.boundary.guard(undefined, (outcome: Message | CacheError) => {
      if (call.cancelled) return;
      if (outcome instanceof CacheError) {
        callback(failureOf(outcome, spanOf(call.metadata), deps.telemetry));
        return;
      }
      let frame: GrpcFrame;
      try {
        frame = encodeFrame(output, outcome);
      } catch (error) {
        callback(failureOf(error, spanOf(call.metadata), deps.telemetry));
        return;
      }
      callback(null, frame);
    });
    try {
      const pending = handler.run(call.request, contextOf(call.metadata, deps), settle);
      if (pending !== undefined) {
        call.once(
          "cancelled",
          deps.boundary.guard(undefined, () => pending.cancel()),
        );
      }
    } catch (error) {
      callback(failureOf(error, spanOf(call.metadata), deps.telemetry));
    }
  };
}

function toServerStreamingCall(
  handler: ServerStreamHandler<Message>,
  deps: HandlerDeps,
): handleServerStreamingCall<Message, Message | GrpcFrame> {
  return (call) =>
    openStream(call, deps, (context) =>
      handler.open(
        toStreamingCall(call, deps, () => {}),
        call.request,
        context,
      ),
    );
}

function toBidiCall(
  handler: BidiHandler<Message>,
  deps: HandlerDeps,
): handleBidiStreamingCall<Message, Message | GrpcFrame> {
  return (call) =>
    openStream(call, deps, (context) => {
      takeOneAhead(call);
      const readOn = () => {
        if (reader.paused()) call.pause();
        else if (call.isPaused()) call.resume();
      };
      const reader = handler.open(toStreamingCall(call, deps, readOn), context);
      const fail = (error: unknown) =>
        call.emit("error", failureOf(error, spanOf(call.metadata), deps.telemetry));
      const receive = (request: Message) => {
        try {
          reader.receive(request);
          readOn();
        } catch (error) {
          fail(error);
        }
      };
      const halfClose = () => {
        try {
          reader.halfClosed();
        } catch (error) {
          fail(error);
        }
      };
      call.on("data", deps.boundary.guard(call, receive));
      call.once("end", deps.boundary.guard(call, halfClose));
      return () => reader.closed();
    });
}

function toStreamingCall(
  call: ServerWritableStream<Message, Message | GrpcFrame> | ServerDuplexStream<Message, Message | GrpcFrame>,
  { boundary }: HandlerDeps,
  readOn: () => void,
): StreamingCall {
  return {
    get open() {
      return !call.destroyed && !call.writableEnded;
    },
    connectionMemory: memoryOf(call.metadata),
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

/** The part of a streaming call that ends it. */
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

/** Throws FIELD_INVALID. */
function contextOf(metadata: Metadata, { limits }: HandlerDeps): CallContext {
  const [value] = metadata.get(CLIENT_ID_HEADER);
  return toContext(
    spanOf(metadata),
    typeof value === "string" ? value : "",
    limits,
    memoryOf(metadata),
    accessOf(metadata),
    true,
  );
}
