/** The service of these tests (protos/users/v1/users.proto), described in each of the ways that services are described. */
import { execFileSync } from "node:child_process";
import { cpSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  type FileRegistry,
  fromBinary,
} from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { loadSync, type ServiceDefinition } from "@grpc/proto-loader";

const PROTOS = "test/responses/protos";

/** Clients of the cache in these tests: a busy host must not make them doubt their copies, or give up. */
export const PATIENT = { leaseMs: 600_000, silenceMaxMs: 600_000, deadlineMs: 60_000 };

/** The same for caches of responses. */
export const PATIENT_WRITES = { acknowledgeWithinMs: 60_000 };

/** An encoded FileDescriptorSet of what is in a folder, and of the options. */
export function buildDescriptors(protos: string = PROTOS): Buffer {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-protos-"));
  try {
    cpSync(protos, folder, { recursive: true });
    cpSync("proto/meshcache/options", join(folder, "meshcache/options"), { recursive: true });
    const file = join(folder, "descriptors.binpb");
    execFileSync("node_modules/.bin/buf", ["build", folder, "-o", file], { stdio: "inherit" });
    return readFileSync(file);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

export interface DescribedService {
  readonly descriptors: Buffer;
  readonly registry: FileRegistry;
  readonly service: DescService;
  message(name: string): DescMessage;
}

export function describeUsers(): DescribedService {
  const descriptors = buildDescriptors();
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, descriptors));
  const service = registry.getService("users.v1.UserService");
  if (service === undefined) throw new Error("the service is missing");
  return {
    descriptors,
    registry,
    service,
    message(name) {
      const message = registry.getMessage(`users.v1.${name}`);
      if (message === undefined) throw new Error(`${name} is missing`);
      return message;
    },
  };
}

export function loadUsers(keepCase: boolean): ServiceDefinition {
  const loaded = loadSync("users/v1/users.proto", {
    includeDirs: [PROTOS, "proto"],
    keepCase,
    longs: String,
  });
  return loaded["users.v1.UserService"] as ServiceDefinition;
}
