/** The table of methods and their handlers, from which grpc-js and the accelerator serve calls. */
import type { DescMethod, Message, MessageShape } from "@bufbuild/protobuf";
import type { GenServiceMethods } from "@bufbuild/protobuf/codegenv2";
import type { BidiHandler, ServerStreamHandler, StatusError, UnaryHandler } from "./handler.ts";

type AnyMethod = GenServiceMethods[string];

/** The handlers of a service, by the names of its methods. */
export type ServiceHandlers<Service extends { readonly method: GenServiceMethods }> = {
  readonly [Name in keyof Service["method"]]: HandlerOf<Service["method"][Name]>;
};

type HandlerOf<Method extends AnyMethod> = Method["methodKind"] extends "unary"
  ? UnaryHandler<MessageShape<Method["input"]>, MessageShape<Method["output"]>>
  : Method["methodKind"] extends "server_streaming"
    ? ServerStreamHandler<MessageShape<Method["input"]>>
    : Method["methodKind"] extends "bidi_streaming"
      ? BidiHandler<MessageShape<Method["input"]>>
      : never;

/** A handler whose messages are those of its method's descriptor. */
export type Handler = UnaryHandler<Message, Message> | ServerStreamHandler<Message> | BidiHandler<Message>;

export interface ServedMethod {
  readonly descriptor: DescMethod;
  readonly handler: Handler;
  readonly request: RequestBound;
}

/** A larger request message is refused by its length, before it has come. */
export interface RequestBound {
  readonly maxBytes: number;
  /** What such a request gets. Default: LIMIT_EXCEEDED. */
  readonly refusal?: StatusError;
}

/** Throws when a method has no handler. */
export function listMethods(
  methods: readonly DescMethod[],
  handlers: Readonly<Record<string, Handler>>,
  boundOf: (method: DescMethod) => RequestBound,
): readonly ServedMethod[] {
  return methods.map((descriptor) => {
    const handler = handlers[descriptor.localName];
    if (handler === undefined)
      throw new Error(`no handler for ${descriptor.parent.typeName}.${descriptor.name}`);
    return { descriptor, handler, request: boundOf(descriptor) };
  });
}
