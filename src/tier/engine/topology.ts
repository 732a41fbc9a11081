/** Which node of a cluster has which slot, as a node of it says. */
import type { HostPort } from "../../common/host-port.ts";
import { toHostPort } from "../../common/host-port.ts";
import { EngineError, type Reply } from "./resp3.ts";

export interface SlotRange {
  readonly first: number;
  readonly last: number;
  readonly primary: NodeName;
  readonly replicas: readonly NodeName[];
}

export interface NodeName {
  /** The same for as long as the node is in the cluster, whatever its address. */
  readonly id: string;
  readonly endpoint: HostPort;
}

export interface Topology {
  readonly ranges: readonly SlotRange[];
}

/** Of CLUSTER SLOTS. `asked`: the node that answered, whose address it may leave out. Undefined: it is not such a reply. */
export function toTopology(reply: Reply, asked: HostPort): Topology | undefined {
  if (!Array.isArray(reply)) return undefined;
  const ranges: SlotRange[] = [];
  for (const range of reply) {
    if (!Array.isArray(range)) return undefined;
    const [first, last, ...nodes] = range as readonly Reply[];
    const names = nodes.map((node) => toNodeName(node, asked));
    const [primary, ...replicas] = names;
    if (typeof first !== "number" || typeof last !== "number" || primary === undefined) return undefined;
    ranges.push({ first, last, primary, replicas: replicas.filter((name) => name !== undefined) });
  }
  return { ranges };
}

function toNodeName(reply: Reply, asked: HostPort): NodeName | undefined {
  if (!Array.isArray(reply)) return undefined;
  const [host, port, id] = reply as readonly Reply[];
  if (typeof port !== "number" || !Buffer.isBuffer(id)) return undefined;
  const name = Buffer.isBuffer(host) ? host.toString() : "";
  return { id: id.toString(), endpoint: { host: hostOf(name, asked), port } };
}

/** The nodes that a topology tells of, each by its address there. */
export function idsByEndpoint({ ranges }: Topology): ReadonlyMap<string, string> {
  const nodes = ranges.flatMap(({ primary, replicas }) => [primary, ...replicas]);
  return new Map(nodes.map(({ id, endpoint }) => [keyOf(endpoint), id]));
}

/** Where a key is that the node `asked` does not have, as it names addresses in its topology. Undefined: the reply does not say. */
export function movedTo(reply: Reply | Error, asked: HostPort): HostPort | undefined {
  if (!(reply instanceof EngineError) || reply.code !== "MOVED") return undefined;
  const [, , address = ""] = reply.message.split(" ");
  const at = address.lastIndexOf(":");
  return at < 0
    ? undefined
    : { host: hostOf(address.slice(0, at), asked), port: Number(address.slice(at + 1)) };
}

/** A node may leave out the host: then it is that of the node which was asked. */
function hostOf(name: string, asked: HostPort): string {
  return name === "" || name === "?" ? asked.host : name;
}

/** Undefined: no node has the slot. */
export function rangeOf({ ranges }: Topology, slot: number): SlotRange | undefined {
  return ranges.find(({ first, last }) => slot >= first && slot <= last);
}

/** All primaries, by their ids. */
export function primariesOf({ ranges }: Topology): ReadonlyMap<string, NodeName> {
  return new Map(ranges.map(({ primary }) => [primary.id, primary]));
}

export function keyOf({ host, port }: HostPort): string {
  return toHostPort(host, port);
}

export interface ClusterInfo {
  readonly isCluster: boolean;
  /** Every slot has a node, and the node sees a majority. */
  readonly isOk: boolean;
  /** Grows with every election and every slot that moves. */
  readonly epoch: number;
}

/** Of CLUSTER INFO. */
export function toClusterInfo(reply: Reply): ClusterInfo | undefined {
  if (!Buffer.isBuffer(reply)) return undefined;
  const fields = toFields(reply.toString());
  return {
    isCluster: true,
    isOk: fields.get("cluster_state") === "ok",
    epoch: Number(fields.get("cluster_current_epoch") ?? 0),
  };
}

/** The lines `name:value` of INFO and of CLUSTER INFO. */
export function toFields(text: string): ReadonlyMap<string, string> {
  const fields = new Map<string, string>();
  for (const line of text.split("\r\n")) {
    const at = line.indexOf(":");
    if (at > 0) fields.set(line.slice(0, at), line.slice(at + 1));
  }
  return fields;
}
