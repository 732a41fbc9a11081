/** The services of a server, which health knows and reflection lists and describes. */
import type { Server } from "@grpc/grpc-js";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { createServiceDefinition } from "../../codec/messages.ts";
import type { DirectMethods } from "../fast/router.ts";
import { type AdminServiceDeps, createAdminHandlers } from "./admin-service.ts";
import { type CacheServiceDeps, createCacheHandlers } from "./cache-service.ts";
import { createDescriptorIndex } from "./descriptor-index.ts";
import { createHealthHandlers, type HealthDeps } from "./health.ts";
import { createReflectionHandlers } from "./reflection.ts";

const SERVICES = [CacheService, AdminService, Health, ServerReflection, ServerReflectionAlpha];

export type ServicesDeps = CacheServiceDeps & AdminServiceDeps & Pick<HealthDeps, "watchers">;

/** Adds them all. Returns those methods that need not pass grpc-js's layers. */
export function addServices(server: Server, deps: ServicesDeps): DirectMethods {
  const services = SERVICES.map(({ typeName }) => typeName).sort();
  // The details of a status are described too, though no service names their types.
  const index = createDescriptorIndex([...SERVICES.map(({ file }) => file), file_google_rpc_error_details]);
  const cache = createCacheHandlers(deps);
  const reflection = createReflectionHandlers({ ...deps, services, index });
  server.addService(createServiceDefinition(CacheService), cache.service);
  server.addService(createServiceDefinition(AdminService), createAdminHandlers(deps));
  server.addService(createServiceDefinition(Health), createHealthHandlers({ ...deps, services }));
  server.addService(createServiceDefinition(ServerReflection), reflection);
  // v1alpha has the messages of v1, byte for byte.
  const alpha = ServerReflection.methods.map((method) => ({ ...method, parent: ServerReflectionAlpha }));
  server.addService(createServiceDefinition({ methods: alpha }), reflection);
  return cache.direct;
}
