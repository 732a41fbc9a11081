/**
 * The adapter between generated services and grpc-js: service definitions for a server.
 *
 * A response may be a message or, for who encodes by hand, a frame.
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
import { decodeHot, encodeHot, encodeHotFrame } from "./fast/codecs.ts";
import { GrpcFrame, PREFIX_BYTES, writePrefix } from "./framing/grpc-frame.ts";

/** The slice of a generated service that the adapter reads. */
interface MethodList {
  readonly methods: readonly DescMethod[];
}

/** The definition that `Server.addService` takes. */
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

/** grpc-js insists on a Buffer; it shares the encoder's bytes. */
export function encodeMessage<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): Buffer {
  const byHand = encodeHot(schema, message);
  if (byHand !== undefined) return byHand;
  const bytes = toBinary(schema, message);
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
}

/** As `encodeMessage`, ready to be sent. */
export function encodeFrame<Desc extends DescMessage>(schema: Desc, message: MessageShape<Desc>): GrpcFrame {
  const byHand = encodeHotFrame(schema, message);
  if (byHand !== undefined) return byHand;
  const encoded = toBinary(schema, message);
  const bytes = Buffer.allocUnsafe(PREFIX_BYTES + encoded.length);
  writePrefix(bytes, 0, encoded.length);
  bytes.set(encoded, PREFIX_BYTES);
  return new GrpcFrame(bytes);
}

/** Throws on undecodable bytes and on text that is not UTF-8. Unknown fields are skipped, not kept. */
export function decodeMessage<Desc extends DescMessage>(schema: Desc, bytes: Uint8Array): MessageShape<Desc> {
  return decodeHot(schema, bytes) ?? fromBinary(schema, bytes, { readUnknownFields: false });
}
