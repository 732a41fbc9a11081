/**
 * The handlers of server reflection, over the descriptors of the generated code. Each request is answered at once; the next
 * one is read when the connection has taken the answer.
 */
import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import {
  type ServerReflection,
  type ServerReflectionRequest,
  type ServerReflectionResponse,
  ServerReflectionResponseSchema,
} from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { encodeFrame } from "../../codec/messages.ts";
import { type Access, NEEDS } from "../../security/access/access.ts";
import { bidi, type HandlerDeps } from "../calls/handler.ts";
import type { RequestReader, StreamingCall } from "../calls/handler-call.ts";
import type { ServiceHandlers } from "../calls/methods.ts";
import { createSendQueue } from "../streams/send-queue.ts";
import type { DrainableStream, StreamRegistry } from "../streams/stream-registry.ts";
import type { DescriptorIndex, EncodedFiles } from "./descriptor-index.ts";

/** The answer does not repeat a request that is longer than any name. */
const REPEATED_MAX_LENGTH = 1_024;

/** Requests name one file, type or extension. */
export const REFLECTION_REQUEST_MAX_BYTES = 128 * 1024;

export interface ReflectionDeps extends HandlerDeps {
  readonly streams: StreamRegistry;
  /** Full names of the services. */
  readonly services: readonly string[];
  readonly index: DescriptorIndex;
}

type Answer = NonNullable<MessageInitShape<typeof ServerReflectionResponseSchema>["messageResponse"]>;

export function createReflectionHandlers(deps: ReflectionDeps): ServiceHandlers<typeof ServerReflection> {
  return { serverReflectionInfo: bidi((call, { access }) => openReflection(call, access, deps)) };
}

function openReflection(
  call: StreamingCall,
  access: Access | undefined,
  deps: ReflectionDeps,
): RequestReader<ServerReflectionRequest> {
  const denial = () =>
    access?.permitsSomewhere(NEEDS.reflection) === false ? access.deny(NEEDS.reflection, "") : undefined;
  const denied = denial();
  if (denied !== undefined) throw denied;
  const { streams } = deps;
  let taken = true;
  // A queue without room lets one answer wait at a time.
  const queue = createSendQueue(call, 0, streams.budget, () => {
    taken = true;
    call.readOn();
  });
  const stream: DrainableStream = { drain: () => {}, end: (error) => call.end(error), denial };
  streams.open.add(stream);
  return {
    receive(request) {
      taken = queue.send(encodeFrame(ServerReflectionResponseSchema, respond(request, deps)));
    },
    paused: () => !taken,
    halfClosed: () => call.end(),
    closed() {
      queue.close();
      streams.open.delete(stream);
    },
  };
}

function respond(request: ServerReflectionRequest, deps: ReflectionDeps): ServerReflectionResponse {
  const repeated = lengthOf(request) <= REPEATED_MAX_LENGTH;
  return create(ServerReflectionResponseSchema, {
    ...(repeated ? { validHost: request.host, originalRequest: request } : {}),
    messageResponse: answer(request, deps),
  });
}

function lengthOf({ host, messageRequest: { value } }: ServerReflectionRequest): number {
  const name = typeof value === "object" ? value.containingType : (value ?? "");
  return host.length + name.length;
}

function answer({ messageRequest }: ServerReflectionRequest, { index, services }: ReflectionDeps): Answer {
  switch (messageRequest.case) {
    case "fileByFilename":
      return filesOr(index.byName.get(messageRequest.value), "unknown file");
    case "fileContainingSymbol":
      return filesOr(index.bySymbol.get(messageRequest.value), "unknown symbol");
    case "fileContainingExtension": {
      const { containingType, extensionNumber } = messageRequest.value;
      return filesOr(index.extensions.get(containingType)?.get(extensionNumber), "unknown extension");
    }
    case "allExtensionNumbersOfType": {
      const numbers = index.extensions.get(messageRequest.value);
      if (numbers === undefined) return failure(status.NOT_FOUND, "unknown type");
      const value = { baseTypeName: messageRequest.value, extensionNumber: [...numbers.keys()] };
      return { case: "allExtensionNumbersResponse", value };
    }
    case "listServices":
      return { case: "listServicesResponse", value: { service: services.map((name) => ({ name })) } };
    case undefined:
      return failure(status.INVALID_ARGUMENT, "the request asks for nothing");
  }
}

function filesOr(files: EncodedFiles | undefined, otherwise: string): Answer {
  if (files === undefined) return failure(status.NOT_FOUND, otherwise);
  return { case: "fileDescriptorResponse", value: { fileDescriptorProto: [...files] } };
}

function failure(errorCode: status, errorMessage: string): Answer {
  return { case: "errorResponse", value: { errorCode, errorMessage } };
}
