/** grpc.health.v1 for the whole server and for each of its services. */
import type { Server } from "@grpc/grpc-js";
import { HealthImplementation } from "grpc-health-check";
import { AdminService } from "../../gen/meshcache/v1/admin_pb.ts";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";

/** "" stands for the server as a whole. */
const SERVICES = ["", CacheService.typeName, AdminService.typeName];

/** Adds the service, serving. Returns what says NOT_SERVING to who asks and who watches. */
export function addHealth(server: Server): () => void {
  const health = new HealthImplementation();
  const tell = (status: "SERVING" | "NOT_SERVING") => {
    for (const service of SERVICES) health.setStatus(service, status);
  };
  tell("SERVING");
  health.addToServer(server);
  return () => tell("NOT_SERVING");
}
