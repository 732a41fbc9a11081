/**
 * The methods of services with their options, from whatever describes them: descriptors of protobuf-es, an encoded
 * FileDescriptorSet, or a service definition of @grpc/proto-loader.
 */
import {
  createFileRegistry,
  type DescFile,
  type DescMethod,
  type DescService,
  fromBinary,
  fromJson,
  getOption,
  hasOption,
  isMessage,
  type JsonValue,
} from "@bufbuild/protobuf";
import {
  type FileDescriptorSet,
  FileDescriptorSetSchema,
  MethodOptions_IdempotencyLevel as Idempotency,
} from "@bufbuild/protobuf/wkt";
import {
  type Cache,
  CacheSchema,
  cache as cacheOption,
  type Invalidates,
  InvalidatesSchema,
  invalidates as invalidatesOption,
} from "../../../gen/meshcache/options/v1/caching_pb.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { LoaderTypes } from "./loader-types.ts";
import { type MessageType, toMessageType } from "./message-type.ts";

export interface ServiceMethod {
  /** "users.v1.UserService" */
  readonly service: string;
  /** "GetUser" */
  readonly name: string;
  readonly isUnary: boolean;
  readonly sideEffects: "none" | "idempotent" | "unknown";
  readonly input: MessageType;
  readonly cache: Cache | undefined;
  readonly invalidates: Invalidates | undefined;
}

/** A method of a service definition of grpc-js, as @grpc/proto-loader makes it. */
interface LoaderMethod {
  readonly path: string;
  readonly requestStream: boolean;
  readonly responseStream: boolean;
  readonly requestType: { readonly type: object; readonly fileDescriptorProtos: readonly Uint8Array[] };
  readonly options: Readonly<Record<string, unknown>>;
}

/**
 * Describes services: a generated service or file of protobuf-es, a FileDescriptorSet (encoded, as `buf build -o` and `protoc
 * --descriptor_set_out --include_imports` write it, or decoded), or a service definition of @grpc/proto-loader.
 */
export type ServiceSource = DescService | DescFile | FileDescriptorSet | Uint8Array | object;

/** Throws FIELD_INVALID for what describes no services. */
export function readServices(sources: readonly ServiceSource[]): ServiceMethod[] {
  return sources.flatMap(readSource);
}

function readSource(source: ServiceSource): ServiceMethod[] {
  if (source instanceof Uint8Array) return readSet(decodeSet(source));
  if (isMessage(source, FileDescriptorSetSchema)) return readSet(source);
  if (isDescriptor(source, "service")) return readService(source);
  if (isDescriptor(source, "file")) return source.services.flatMap(readService);
  const methods: unknown[] = Object.values(source);
  if (methods.length > 0 && methods.every(isLoaderMethod)) return readDefinition(methods);
  throw fieldInvalid("services", FORM);
}

const FORM =
  "descriptors of protobuf-es, a FileDescriptorSet, or service definitions of @grpc/proto-loader (a definition made otherwise has no options)";

function isDescriptor(source: object, kind: "service"): source is DescService;
function isDescriptor(source: object, kind: "file"): source is DescFile;
function isDescriptor(source: object, kind: string): boolean {
  return "kind" in source && source.kind === kind;
}

function decodeSet(encoded: Uint8Array): FileDescriptorSet {
  try {
    return fromBinary(FileDescriptorSetSchema, encoded);
  } catch (cause) {
    const error = fieldInvalid("services", "an encoded FileDescriptorSet, where they are bytes");
    error.cause = cause;
    throw error;
  }
}

function readSet(set: FileDescriptorSet): ServiceMethod[] {
  try {
    const registry = createFileRegistry(set);
    return [...registry].flatMap((type) => (type.kind === "service" ? readService(type) : []));
  } catch (cause) {
    const error = fieldInvalid(
      "services",
      "a FileDescriptorSet with all that it imports (protoc --include_imports)",
    );
    error.cause = cause;
    throw error;
  }
}

function readService(service: DescService): ServiceMethod[] {
  return service.methods.map((method) => ({
    service: service.typeName,
    name: method.name,
    isUnary: method.methodKind === "unary",
    sideEffects: SIDE_EFFECTS[method.idempotency],
    input: toMessageType(method.input),
    cache: optionOf(method, "cache"),
    invalidates: optionOf(method, "invalidates"),
  }));
}

const SIDE_EFFECTS: Readonly<Record<Idempotency, ServiceMethod["sideEffects"]>> = {
  [Idempotency.IDEMPOTENCY_UNKNOWN]: "unknown",
  [Idempotency.NO_SIDE_EFFECTS]: "none",
  [Idempotency.IDEMPOTENT]: "idempotent",
};

function optionOf(method: DescMethod, name: "cache"): Cache | undefined;
function optionOf(method: DescMethod, name: "invalidates"): Invalidates | undefined;
function optionOf(method: DescMethod, name: "cache" | "invalidates"): Cache | Invalidates | undefined {
  const option = name === "cache" ? cacheOption : invalidatesOption;
  return hasOption(method, option) ? getOption(method, option) : undefined;
}

function isLoaderMethod(method: unknown): method is LoaderMethod {
  return (
    typeof method === "object" &&
    method !== null &&
    "path" in method &&
    "options" in method &&
    "requestType" in method &&
    typeof method.requestType === "object" &&
    method.requestType !== null &&
    "fileDescriptorProtos" in method.requestType
  );
}

function readDefinition(methods: readonly LoaderMethod[]): ServiceMethod[] {
  const types = new LoaderTypes(methods[0]?.requestType.fileDescriptorProtos ?? []);
  return methods.map((method) => readLoaderMethod(method, types));
}

function readLoaderMethod(method: LoaderMethod, types: LoaderTypes): ServiceMethod {
  const [, service = "", name = ""] = method.path.split("/");
  const { options } = method;
  const input = types.requestOf(service, name);
  if (input === undefined)
    throw fieldInvalid("services", `definitions with descriptors (${method.path} has none)`);
  const cache = options["(meshcache.options.v1.cache)"];
  const invalidates = options["(meshcache.options.v1.invalidates)"];
  const level = options.idempotency_level;
  return {
    service,
    name,
    isUnary: !method.requestStream && !method.responseStream,
    sideEffects: level === "NO_SIDE_EFFECTS" ? "none" : level === "IDEMPOTENT" ? "idempotent" : "unknown",
    input,
    cache:
      cache === undefined
        ? undefined
        : fromLoader(method.path, () => fromJson(CacheSchema, cache as JsonValue)),
    invalidates:
      invalidates === undefined
        ? undefined
        : fromLoader(method.path, () => fromJson(InvalidatesSchema, invalidates as JsonValue)),
  };
}

function fromLoader<Option>(path: string, read: () => Option): Option {
  try {
    return read();
  } catch (cause) {
    const error = fieldInvalid(
      "services",
      `definitions with valid options (those of ${path} cannot be read)`,
    );
    error.cause = cause;
    throw error;
  }
}
