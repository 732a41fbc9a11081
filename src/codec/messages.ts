/**
 * Encodes and decodes messages, by hand where `fast/` can and else by the generated codec, and defines services for
 * grpc-js in these terms. A handler may answer with a message or with a frame that it has encoded.
 */
import { Buffer } from "node:buffer";
import {
  type DescMessage,
  type DescMethod,
  fromBinary,
  type Message,
  type MessageShape,
  toBinary,
} from "@bufbuild/protobuf";
import type { MethodDefinition, ServiceDefinition } from "@grpc/grpc-js";
import { decodeFast, encodeFast, encodeFastFrame } from "./fast/codecs.ts";
import { GrpcFrame, PREFIX_BYTES, writePrefix } from "./framing/grpc-frame.ts";

/** What is read of a generated service. */
interface MethodList {
  readonly methods: readonly DescMethod[];
}

/** The definition of a service, for `Server.addService` of grpc-js. */
export function createServiceDefinition(service: MethodList): ServiceDefinition {
  const definition: Record<string, MethodDefinition<Message, Message | GrpcFrame>> = {};
  for (const method of service.methods) definition[method.localName] = toMethodDefinition(method);
  return definition;
}

function toMethodDefinition(method: DescMethod): MethodDefinition<Message, Message | GrpcFrame> {
  return {
    path: methodPath(method),
    requestStream: method.methodKind === "client_streaming" || method.methodKind === "bidi_streaming",
    responseStream: method.methodKind === "server_streaming" || method.methodKind === "bidi_streaming",
    requestSerialize: (message) => encodeMessage(method.input, message),
    requestDeserialize: (bytes) => decodeMessage(method.input, bytes),
    responseSerialize: (reply) =>
      reply instanceof GrpcFrame ? reply.message : encodeMessage(method.output, reply),
    responseDeserialize: (bytes) => decodeMessage(method.output, bytes),
  };
}

/** The path of a method in HTTP/2: "/meshcache.v1.CacheService/Get". */
export function methodPath(method: DescMethod): string {
  return `/${method.parent.typeName}/${method.name}`;
}

/** The bytes of a message, without a prefix. A Buffer, since grpc-js takes nothing else. */
export function encodeMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  const fast = encodeFast(schema, message);
  if (fast !== undefined) return fast;
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** The message behind its gRPC prefix, to be sent. */
export function encodeFrame<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): GrpcFrame {
  const fast = encodeFastFrame(schema, message);
  if (fast !== undefined) return fast;
  const encoded = toBinary(schema, message);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + encoded.length);
  writePrefix(bytes, 0, encoded.length);
  bytes.set(encoded, PREFIX_BYTES);
  return new GrpcFrame(bytes);
}

/**
 * The message in `bytes`; its byte fields may be views of them. Unknown fields are dropped. Throws for bytes that are
 * no such message, and for text that is not UTF-8.
 */
export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return decodeFast(schema, bytes) ?? fromBinary(schema, bytes, { readUnknownFields: false });
}
