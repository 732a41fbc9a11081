/** What the threads of a process answer, as one message of AdminService. */
import { create } from "@bufbuild/protobuf";
import {
  type ActivityResponse,
  ActivityResponseSchema,
  type CallStats,
  type ClientInfo,
  ClientOrder,
  type ListClientsRequest,
  type ListClientsResponse,
  ListClientsResponseSchema,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import { type Access, NEEDS } from "../../security/access/access.ts";
import { CALL_DURATION_BOUNDS_S } from "../../telemetry/instruments.ts";
import {
  type ActivityAnswer,
  type Answer,
  type ClientsAnswer,
  type Question,
  takeFitting,
} from "./inquiry.ts";

type ClientsQuestion = Extract<Question, { kind: "clients" }>;

const CLIENTS_DEFAULT = 100;
const CLIENTS_MAX = 1_000;

const FIRST: Readonly<Record<ClientOrder, ClientsQuestion["first"]>> = {
  [ClientOrder.UNSPECIFIED]: "connected",
  [ClientOrder.CONNECTED]: "connected",
  [ClientOrder.OPERATIONS]: "operations",
  [ClientOrder.LAG]: "lag",
};

export function toActivity(answers: readonly Answer[], silent: number): ActivityResponse {
  const activities = answers.filter((answer): answer is ActivityAnswer => answer.kind === "activity");
  return create(ActivityResponseSchema, {
    calls: sumOf(activities.flatMap(({ calls }) => calls)),
    bucketBoundsS: [...CALL_DURATION_BOUNDS_S],
    workers: activities.map(({ worker }) => worker).sort((one, other) => one.worker - other.worker),
    workersSilent: silent,
  });
}

function sumOf(all: readonly CallStats[]): CallStats[] {
  const sums = new Map<string, CallStats>();
  for (const one of all) {
    const id = `${one.method} ${one.status}`;
    const sum = sums.get(id);
    if (sum === undefined) {
      sums.set(id, { ...one, bucketCounts: [...one.bucketCounts] });
      continue;
    }
    sum.count += one.count;
    sum.sumS += one.sumS;
    sum.bucketCounts = sum.bucketCounts.map((count, bucket) => count + (one.bucketCounts[bucket] ?? 0n));
  }
  return [...sums.values()];
}

export function toClientsQuestion({ order, clientsMax, afterId }: ListClientsRequest): ClientsQuestion {
  return {
    kind: "clients",
    // An order that this server does not know.
    first: FIRST[order] ?? "connected",
    most: Math.min(clientsMax === 0 ? CLIENTS_DEFAULT : clientsMax, CLIENTS_MAX),
    afterId,
  };
}

export function toClients(
  { first, most }: ClientsQuestion,
  answers: readonly Answer[],
  silent: number,
  access: Access | undefined,
): ListClientsResponse {
  const parts = answers.filter((answer): answer is ClientsAnswer => answer.kind === "clients");
  const all = parts.flatMap(({ clients }) => clients).sort(COMPARE[first]);
  const clients = takeFitting(all.slice(0, most), (info) => withoutOthersKeys(info, access));
  const last = clients.at(-1);
  // A thread may have had more than it sent.
  const isWhole = clients.length === all.length && parts.every((part) => part.clients.length < most);
  return create(ListClientsResponseSchema, {
    clients,
    total: BigInt(parts.reduce((sum, { total }) => sum + total, 0)),
    nextAfterId: first === "connected" && !isWhole && last !== undefined ? last.id : 0n,
    workersSilent: silent,
  });
}

const lagOf = ({ streams }: ClientInfo): bigint =>
  streams.reduce((most, { lagEvents }) => (lagEvents > most ? lagEvents : most), 0n);

const COMPARE: Readonly<Record<ClientsQuestion["first"], (one: ClientInfo, other: ClientInfo) => number>> = {
  connected: (one, other) => Number(one.id - other.id),
  operations: (one, other) => Number(other.operations - one.operations),
  lag: (one, other) => Number(lagOf(other) - lagOf(one)),
};

/** Prefixes are parts of keys. */
function withoutOthersKeys(info: ClientInfo, access: Access | undefined): ClientInfo {
  if (access === undefined) return info;
  for (const { selectors } of info.streams) {
    for (const selector of selectors) {
      if (!access.permits(selector.namespace, NEEDS.inspect)) selector.prefixes = [];
    }
  }
  return info;
}
