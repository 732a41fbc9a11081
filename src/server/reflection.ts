/**
 * Server reflection (v1 and v1alpha), fed from the descriptors of the generated code. Not of grpc.health.v1:
 * its package has descriptors with relative names only, which make clients refuse the whole answer.
 */
import { Buffer } from "node:buffer";
import { type DescFile, toBinary } from "@bufbuild/protobuf";
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt";
import type { Server } from "@grpc/grpc-js";
import { ReflectionService } from "@grpc/reflection";
import { file_google_rpc_error_details } from "../../gen/google/rpc/error_details_pb.ts";
import { file_meshcache_v1_admin } from "../../gen/meshcache/v1/admin_pb.ts";
import { file_meshcache_v1_cache } from "../../gen/meshcache/v1/cache_pb.ts";

export function addReflection(server: Server): void {
  const files = new Map<string, Buffer>();
  for (const file of [file_meshcache_v1_cache, file_meshcache_v1_admin, file_google_rpc_error_details]) {
    collect(file, files);
  }
  // The package takes descriptors only as a part of some definition; this one names no type of its own.
  const definition = {
    format: "Protocol Buffer 3 EnumDescriptorProto" as const,
    type: {},
    fileDescriptorProtos: [...files.values()],
  };
  new ReflectionService({ "meshcache.v1": definition }).addToServer(server);
}

function collect(file: DescFile, into: Map<string, Buffer>): void {
  if (into.has(file.name)) return;
  into.set(file.name, Buffer.from(toBinary(FileDescriptorProtoSchema, file.proto)));
  for (const dependency of file.dependencies) collect(dependency, into);
}
