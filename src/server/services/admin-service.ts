/** The handlers of AdminService. */
import { create } from "@bufbuild/protobuf";
import {
  type AdminService,
  DescribeServerResponseSchema,
  SettingInfoSchema,
  StatsResponseSchema,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import { toCaller } from "../../rpc/caller.ts";
import { runInspect } from "../../rpc/inspect.ts";
import { toNamespaceStats, toOperationStats, toShardStats, toSnapshotStatus } from "../../rpc/stats.ts";
import { type Access, NEEDS, requireRoom } from "../../security/access/access.ts";
import type { Backend } from "../../store/api/backend.ts";
import type { ProcessObservation } from "../../telemetry/telemetry.ts";
import { type HandlerDeps, immediate, unary } from "../calls/handler.ts";
import type { ServiceHandlers } from "../calls/methods.ts";
import { createHistory, type HistorySource } from "./history.ts";
import type { Inquiry } from "./inquiry.ts";
import { toActivity, toClients, toClientsQuestion } from "./merged-answers.ts";

/** What only whoever started the server can say of it. */
export interface ServerFacts {
  readonly settings: readonly { readonly name: string; readonly value: string; readonly source: string }[];
  /** Links a trace: see DescribeServerResponse. */
  readonly traceUrl: string;
  /** Where the past of the server's figures is. Undefined: nowhere. */
  readonly history?: HistorySource;
}

export const NO_FACTS: ServerFacts = { settings: [], traceUrl: "" };

export interface AdminServiceDeps extends HandlerDeps {
  readonly store: Backend;
  readonly clock: Clock;
  readonly observation: ProcessObservation;
  /** When the process began to serve, by `clock`. */
  readonly startedMs: number;
  readonly serverVersion: string;
  readonly inquiry: Inquiry;
  readonly workers: number;
  readonly facts: ServerFacts;
}

export function createAdminHandlers(deps: AdminServiceDeps): ServiceHandlers<typeof AdminService> {
  const { store, limits, clock, observation, startedMs, serverVersion, inquiry, workers, facts } = deps;
  const history = facts.history && createHistory(facts.history, () => clock.wallMs());
  const uptimeMs = () => BigInt(clock.nowMs() - startedMs);
  return {
    stats: immediate(({ namespacesMax }, { access }) => {
      requireObserve(access);
      return create(StatsResponseSchema, {
        epoch: store.epoch,
        uptimeMs: uptimeMs(),
        serverVersion,
        shards: store.shards().map(toShardStats),
        operations: toOperationStats(store.counters),
        subscribers: BigInt(observation.subscribers()),
        overruns: BigInt(store.counters.overruns),
        connections: BigInt(observation.connections()),
        namespaces: toNamespaceStats(store.namespaces(), namespacesMax),
        ...(observation.snapshot && { snapshot: toSnapshotStatus(observation.snapshot) }),
      });
    }),
    activity: unary((_request, { access }, settle) => {
      requireObserve(access);
      return inquiry.ask({ kind: "activity" }, (answers, silent) => settle(toActivity(answers, silent)));
    }),
    listClients: unary((request, { access }, settle) => {
      requireObserve(access);
      const question = toClientsQuestion(request);
      return inquiry.ask(question, (answers, silent) => settle(toClients(question, answers, silent, access)));
    }),
    history: unary((request, { access }, settle) => {
      requireObserve(access);
      if (history === undefined) throw new CacheError("UNAVAILABLE", "the server knows no Prometheus");
      const leave = new AbortController();
      history(request, leave.signal).then(settle, (error: CacheError) => settle(error));
      return { cancel: () => leave.abort() };
    }),
    inspectEntry: unary((request, { access }, settle) => {
      requireRoom(access);
      return runInspect(request, access, store, limits, settle);
    }),
    describeServer: immediate((_request, { access }) => {
      requireObserve(access);
      return create(DescribeServerResponseSchema, {
        serverVersion,
        epoch: store.epoch,
        uptimeMs: uptimeMs(),
        workers,
        settings: facts.settings.map((setting) => create(SettingInfoSchema, setting)),
        traceUrl: facts.traceUrl,
        hasHistory: history !== undefined,
      });
    }),
    describeCaller: immediate((_request, { access, readOnly }) => {
      requireRoom(access);
      return toCaller(access, readOnly === true);
    }),
  };
}

/** Counts an operation of the caller too. */
function requireObserve(access: Access | undefined): void {
  if (access?.permitsEverywhere(NEEDS.stats) === false) throw access.deny(NEEDS.stats, "*");
  requireRoom(access);
}
