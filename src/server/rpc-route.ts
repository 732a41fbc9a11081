/** The services of a host as a gateway serves them: those that HTTP/1.1 can carry. */
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { addMethods } from "../gateway/implementations.ts";
import { RpcGateway } from "../gateway/rpc-gateway.ts";
import { peerOf } from "./connections/certified-peers.ts";
import type { ServiceHost } from "./service-host.ts";

const SERVED: ReadonlySet<string> = new Set([CacheService.typeName, AdminService.typeName]);

/** `readOnly`: nothing that changes the store is served. */
export function createRpcRoute(
  { services, calls, limits, boundary, telemetry, transport }: ServiceHost,
  readOnly: boolean,
): RpcGateway {
  const methods = services.all.flat().filter(({ descriptor }) => SERVED.has(descriptor.parent.typeName));
  return new RpcGateway({
    routes: (router) => addMethods(router, methods, { limits, boundary, readOnly }),
    register: calls.register,
    telemetry,
    boundary,
    limits,
    callMaxMs: transport.callMaxMs,
    readOnly,
    peerOf,
  });
}
