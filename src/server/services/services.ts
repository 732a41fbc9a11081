/** The services of a server and their methods. Health knows all of them, and reflection lists and describes them. */
import type { DescMethod } from "@bufbuild/protobuf";
import { file_google_rpc_error_details } from "../../../gen/google/rpc/error_details_pb.ts";
import { Health } from "../../../gen/grpc/health/v1/health_pb.ts";
import { ServerReflection } from "../../../gen/grpc/reflection/v1/reflection_pb.ts";
import { ServerReflection as ServerReflectionAlpha } from "../../../gen/grpc/reflection/v1alpha/reflection_pb.ts";
import { AdminService } from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type Handler, listMethods, type RequestBound, type ServedMethod } from "../calls/methods.ts";
import { type AdminServiceDeps, createAdminHandlers } from "./admin-service.ts";
import { type CacheServiceDeps, createCacheHandlers } from "./cache-service.ts";
import { createDescriptorIndex } from "./descriptor-index.ts";
import { createHealthHandlers, type HealthDeps, healthBoundOf } from "./health.ts";
import { createReflectionHandlers, REFLECTION_REQUEST_MAX_BYTES } from "./reflection.ts";

const SERVICES = [CacheService, AdminService, Health, ServerReflection, ServerReflectionAlpha];

export type ServicesDeps = CacheServiceDeps & AdminServiceDeps & Pick<HealthDeps, "watchers">;

export interface Services {
  /** The methods of each service. */
  readonly all: readonly (readonly ServedMethod[])[];
  /** Those that an accelerator may serve: their calls are frequent. */
  readonly frequent: readonly ServedMethod[];
}

export function createServices(deps: ServicesDeps): Services {
  const services = SERVICES.map(({ typeName }) => typeName).sort();
  // Reflection describes the details of a status too, though no service names their types.
  const index = createDescriptorIndex([...SERVICES.map(({ file }) => file), file_google_rpc_error_details]);
  const boundOf = (method: DescMethod): RequestBound => {
    if (method.parent === Health) return healthBoundOf(method);
    const isReflection = method.parent === ServerReflection || method.parent === ServerReflectionAlpha;
    return { maxBytes: isReflection ? REFLECTION_REQUEST_MAX_BYTES : deps.limits.receiveMaxBytes };
  };
  const list = (methods: readonly DescMethod[], handlers: Readonly<Record<string, Handler>>) =>
    listMethods(methods, handlers, boundOf);
  const cache = list(CacheService.methods, createCacheHandlers(deps));
  const reflection = createReflectionHandlers({ ...deps, services, index });
  // v1alpha has the messages of v1, byte for byte.
  const alpha = ServerReflection.methods.map((method) => ({ ...method, parent: ServerReflectionAlpha }));
  return {
    all: [
      cache,
      list(AdminService.methods, createAdminHandlers(deps)),
      list(Health.methods, createHealthHandlers({ ...deps, services })),
      list(ServerReflection.methods, reflection),
      list(alpha, reflection),
    ],
    frequent: cache,
  };
}
