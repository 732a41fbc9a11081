/** Handlers of this server as implementations of the Connect library. */
import {
  type DescMessage,
  type DescMethod,
  type DescMethodServerStreaming,
  type DescMethodUnary,
  fromBinary,
  type Message,
} from "@bufbuild/protobuf";
import type { ConnectRouter, HandlerContext } from "@connectrpc/connect";
import type { Boundary } from "../common/boundary.ts";
import { CacheError } from "../common/errors.ts";
import type { Limits } from "../rpc/limits.ts";
import type { CallContext, ServerStreamHandler, UnaryHandler } from "../server/calls/handler.ts";
import type { ServedMethod } from "../server/calls/methods.ts";
import { markConditional } from "./conditional-get.ts";
import { CALL, type HttpCall } from "./http-call.ts";
import { Outbox } from "./outbox.ts";

export interface ImplementationDeps {
  readonly limits: Limits;
  readonly boundary: Boundary;
  /** Nothing that changes the store is served. */
  readonly readOnly: boolean;
}

/** Adds the methods that HTTP/1.1 can carry: those with one request. */
export function addMethods(
  router: ConnectRouter,
  methods: readonly ServedMethod[],
  deps: ImplementationDeps,
): void {
  for (const { descriptor, handler } of methods) {
    if (handler.kind === "unary" && isUnary(descriptor)) {
      router.rpc(descriptor, (request, context) => runUnary(handler, request, context, deps));
    } else if (handler.kind === "serverStream" && isServerStream(descriptor)) {
      router.rpc(descriptor, (request, context) =>
        runStream(handler, request, descriptor.output, context, deps),
      );
    }
  }
}

function isUnary(method: DescMethod): method is DescMethod & DescMethodUnary {
  return method.methodKind === "unary";
}

function isServerStream(method: DescMethod): method is DescMethod & DescMethodServerStreaming {
  return method.methodKind === "server_streaming";
}

function callOf(context: HandlerContext): HttpCall {
  const call = context.values.get(CALL);
  if (call === undefined) throw new Error("a handler ran without its call");
  return call;
}

async function runUnary(
  handler: UnaryHandler<Message, Message>,
  request: Message,
  context: HandlerContext,
  { limits, boundary, readOnly }: ImplementationDeps,
): Promise<Message> {
  const call = callOf(context);
  const outcome = await runHandler(handler, request, call.context(limits, readOnly), call, boundary);
  if (call.isGet) markConditional(outcome, context.responseHeader);
  return outcome;
}

/** The response of a handler. Rejects with its error. When the call ends before, the handler is cancelled. */
export function runHandler(
  handler: UnaryHandler<Message, Message>,
  request: Message,
  context: CallContext,
  call: HttpCall,
  boundary: Boundary,
): Promise<Message> {
  return new Promise((resolve, reject) => {
    const settle = (outcome: Message | CacheError): void => {
      if (outcome instanceof CacheError) reject(outcome);
      else resolve(outcome);
    };
    // It may run inside the call of another peer, which a failure here must not end.
    const pending = handler.run(request, context, boundary.guard(undefined, settle));
    if (pending !== undefined) call.whenEnded(boundary.guard(undefined, () => pending.cancel()));
  });
}

async function* runStream(
  handler: ServerStreamHandler<Message>,
  request: Message,
  output: DescMessage,
  context: HandlerContext,
  { limits, readOnly }: ImplementationDeps,
): AsyncGenerator<Message> {
  const call = callOf(context);
  const outbox = new Outbox(call);
  const closed = handler.open(outbox, request, call.context(limits, readOnly));
  try {
    for (;;) {
      const frame = await outbox.next();
      if (frame === undefined) return;
      yield fromBinary(output, frame.message);
    }
  } finally {
    outbox.close();
    closed();
  }
}
