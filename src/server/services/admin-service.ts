/** The handlers of AdminService. */
import { create } from "@bufbuild/protobuf";
import { status } from "@grpc/grpc-js";
import { type AdminService, StatsResponseSchema } from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { toCaller } from "../../rpc/caller.ts";
import { toNamespaceStats, toOperationStats, toShardStats } from "../../rpc/stats.ts";
import { NEEDS, requireRoom } from "../../security/access/access.ts";
import type { Store } from "../../store/api/store.ts";
import type { ProcessObservation } from "../../telemetry/telemetry.ts";
import { type HandlerDeps, immediate, StatusError } from "../calls/handler.ts";
import type { ServiceHandlers } from "../calls/methods.ts";

export interface AdminServiceDeps extends HandlerDeps {
  readonly store: Store;
  readonly clock: Clock;
  readonly observation: ProcessObservation;
  /** When the process began to serve, by `clock`. */
  readonly startedMs: number;
  readonly serverVersion: string;
}

export function createAdminHandlers(deps: AdminServiceDeps): ServiceHandlers<typeof AdminService> {
  const { store, clock, observation, startedMs, serverVersion } = deps;
  return {
    stats: immediate(({ namespacesMax }, { access }) => {
      if (access?.permitsEverywhere(NEEDS.stats) === false) throw access.deny(NEEDS.stats, "*");
      requireRoom(access);
      return create(StatsResponseSchema, {
        epoch: store.epoch,
        uptimeMs: BigInt(clock.nowMs() - startedMs),
        serverVersion,
        shards: store.shards().map(toShardStats),
        operations: toOperationStats(store.counters),
        subscribers: BigInt(observation.subscribers()),
        overruns: BigInt(store.counters.overruns),
        connections: BigInt(observation.connections()),
        namespaces: toNamespaceStats(store.namespaces(), namespacesMax),
      });
    }),
    describeCaller: immediate((_request, { access }) => {
      requireRoom(access);
      return toCaller(access);
    }),
    activity: pending(),
    listClients: pending(),
    inspectEntry: pending(),
    describeServer: pending(),
  };
}

function pending() {
  return immediate((): never => {
    throw new StatusError(status.UNIMPLEMENTED, "this server does not answer this yet");
  });
}
