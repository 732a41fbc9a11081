/** What one thread answers of itself: its calls, its connections and its streams. It reads what is kept anyway. */
import { create } from "@bufbuild/protobuf";
import {
  type CallStats,
  CallStatsSchema,
  type ClientInfo,
  ClientInfoSchema,
  type ClientStream,
  ClientStreamSchema,
  type WorkerStats,
  WorkerStatsSchema,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import { SelectorSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../../common/clock.ts";
import { seriesOf } from "../../telemetry/conventions.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { ListedConnection } from "../calls/connection-list.ts";
import type { CallSession } from "../calls/http2-stream.ts";
import type { OpenCalls } from "../calls/registry.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import { type StreamDescription, type StreamRegistry, slowestLagEvents } from "../streams/stream-registry.ts";
import { type ClientsFirst, type Question, type Respond, takeFitting } from "./inquiry.ts";

export interface ThreadReportDeps {
  /** From 0. */
  readonly worker: number;
  readonly calls: OpenCalls;
  readonly streams: StreamRegistry;
  readonly telemetry: Telemetry;
  readonly clock: Clock;
}

/** A client has an id that no client of another thread has: below this, the number of its connection. */
const CONNECTIONS_SPAN = 2n ** 40n;
const STREAMS_MAX = 16;
const SELECTORS_MAX = 16;
const PREFIXES_MAX = 4;

export function reportOf(deps: ThreadReportDeps): Respond {
  return (question) =>
    question.kind === "activity"
      ? { kind: "activity", worker: toWorkerStats(deps), calls: toCallStats(deps.telemetry) }
      : { kind: "clients", clients: firstClients(question, deps), total: deps.calls.connections.size };
}

function toWorkerStats({ worker, calls, streams }: ThreadReportDeps): WorkerStats {
  return create(WorkerStatsSchema, {
    worker,
    connections: BigInt(calls.connections.size),
    openCalls: BigInt(calls.size),
    subscribers: BigInt(streams.subscribers.size),
    operations: BigInt(calls.memory.operations),
    slowestLagEvents: BigInt(slowestLagEvents(streams)),
    eventLoopDelayP99Us: BigInt(Math.round(calls.load.delayMs * 1_000)),
    eventLoopBusy: calls.load.busy,
  });
}

function toCallStats({ callDurations }: Telemetry): CallStats[] {
  return (callDurations?.all ?? []).map(({ attributes, count, sumS, bucketCounts }) =>
    create(CallStatsSchema, {
      ...seriesOf(attributes),
      count: BigInt(count),
      sumS,
      bucketCounts: bucketCounts.map(BigInt),
    }),
  );
}

/** What is known of the calls of a connection. */
interface OpenCallsOf {
  count: number;
  principal: string;
}

function firstClients(
  { first, most, afterId }: Extract<Question, { kind: "clients" }>,
  deps: ThreadReportDeps,
): ClientInfo[] {
  const callsOf = groupCalls(deps.calls);
  const streamsOf = groupStreams(deps.streams);
  const listed: { readonly rank: number; readonly toInfo: () => ClientInfo }[] = [];
  for (const connection of deps.calls.connections.all()) {
    const id = BigInt(deps.worker + 1) * CONNECTIONS_SPAN + BigInt(connection.number);
    if (first === "connected" && id <= afterId) continue;
    // Of each principal that has called on it.
    const parts = deps.calls.memory.of(connection.session).all();
    const streams = parts.flatMap((part) => streamsOf.get(part) ?? []);
    const toInfo = () => toClientInfo(id, connection, parts, callsOf.get(connection.session), streams, deps);
    listed.push({ rank: rankOf(first, parts, streams), toInfo });
    // The list has the order of the ids.
    if (first === "connected" && listed.length >= most) break;
  }
  if (first !== "connected") listed.sort((one, other) => other.rank - one.rank);
  return takeFitting(listed.slice(0, most), ({ toInfo }) => toInfo());
}

function rankOf(
  first: ClientsFirst,
  parts: readonly ConnectionMemory[],
  streams: readonly StreamDescription[],
): number {
  if (first === "operations") return operationsOf(parts);
  return streams.reduce((most, { lagEvents }) => Math.max(most, lagEvents), 0);
}

function operationsOf(parts: readonly ConnectionMemory[]): number {
  return parts.reduce((sum, { operations }) => sum + operations, 0);
}

function groupCalls(calls: OpenCalls): ReadonlyMap<CallSession, OpenCallsOf> {
  const groups = new Map<CallSession, OpenCallsOf>();
  for (const { stream, principal } of calls.all()) {
    const { session } = stream;
    if (session === undefined) continue;
    const group = groups.get(session) ?? { count: 0, principal: "" };
    group.count += 1;
    if (principal !== undefined) group.principal = principal.name;
    groups.set(session, group);
  }
  return groups;
}

function groupStreams({ open }: StreamRegistry): ReadonlyMap<ConnectionMemory, StreamDescription[]> {
  const groups = new Map<ConnectionMemory, StreamDescription[]>();
  for (const stream of open) {
    const description = stream.describe?.();
    if (description === undefined) continue;
    const group = groups.get(description.connection);
    if (group === undefined) groups.set(description.connection, [description]);
    else group.push(description);
  }
  return groups;
}

function toClientInfo(
  id: bigint,
  { session, address, sinceMs }: ListedConnection,
  parts: readonly ConnectionMemory[],
  calls: OpenCallsOf | undefined,
  streams: readonly StreamDescription[],
  { worker, clock }: ThreadReportDeps,
): ClientInfo {
  return create(ClientInfoSchema, {
    id,
    worker,
    address,
    principal: calls?.principal || (session.peer?.name ?? ""),
    connectedMs: BigInt(Math.max(0, Math.round(clock.nowMs() - sinceMs))),
    operations: BigInt(operationsOf(parts)),
    openCalls: calls?.count ?? 0,
    heldBytes: BigInt(parts.reduce((sum, { heldBytes }) => sum + heldBytes, 0)),
    streams: streams.slice(0, STREAMS_MAX).map(toClientStream),
    streamsTotal: streams.length,
  });
}

function toClientStream(stream: StreamDescription): ClientStream {
  const { method, clientId, library, libraryVersion, selectors, lagEvents, overruns } = stream;
  return create(ClientStreamSchema, {
    method,
    clientId,
    library,
    libraryVersion,
    selectors: selectors
      .slice(0, SELECTORS_MAX)
      .map(({ namespace, namespaceIsPrefix = false, prefixes }) =>
        create(SelectorSchema, { namespace, namespaceIsPrefix, prefixes: prefixes.slice(0, PREFIXES_MAX) }),
      ),
    selectorsTotal: selectors.length,
    lagEvents: BigInt(lagEvents),
    overruns: BigInt(overruns),
  });
}
