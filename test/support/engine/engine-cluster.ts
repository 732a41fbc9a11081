/** A cluster of an engine on the loopback: primaries that share all slots evenly, each with as many replicas as asked for. */
import { setTimeout as wait } from "node:timers/promises";
import { EngineProcess } from "./engine-process.ts";
import type { Engine } from "./programs.ts";
import type { RespConnection } from "./resp-connection.ts";
import type { TestHost } from "./test-network.ts";

const SLOTS = 16_384;
const POLL_MS = 20;

interface EngineClusterOptions {
  readonly engine: Engine;
  /** Default 1. */
  readonly primaries?: number;
  /** Of each primary. Default 0. */
  readonly replicas?: number;
  readonly settings?: readonly (readonly [name: string, value: string])[];
  readonly nodeTimeoutMs?: number;
  /** Of each node, in their order. Default: the loopback. */
  readonly hosts?: readonly TestHost[];
}

export class EngineCluster implements AsyncDisposable {
  /** The primaries first, then the replicas in the order of their primaries. */
  readonly nodes: readonly EngineProcess[];

  private constructor(nodes: readonly EngineProcess[]) {
    this.nodes = nodes;
  }

  static async start({
    primaries = 1,
    replicas = 0,
    hosts = [],
    ...options
  }: EngineClusterOptions): Promise<EngineCluster> {
    const nodes: EngineProcess[] = [];
    const cluster = new EngineCluster(nodes);
    try {
      for (let index = 0; index < primaries * (1 + replicas); index++)
        nodes.push(await EngineProcess.start({ ...options, host: hosts[index] }));
      await join(nodes, primaries);
      return cluster;
    } catch (error) {
      await cluster[Symbol.asyncDispose]();
      throw error;
    }
  }

  /** `host:port` of each node. */
  get addresses(): readonly string[] {
    return this.nodes.map(({ address, port }) => `${address}:${port}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()));
  }
}

async function join(nodes: readonly EngineProcess[], primaries: number): Promise<void> {
  const connections = await Promise.all(nodes.map((node) => node.connect()));
  try {
    const ids = await Promise.all(connections.map((one) => one.text("CLUSTER", "MYID")));
    for (const [index, one] of connections.entries()) {
      await one.call("CLUSTER", "SET-CONFIG-EPOCH", index + 1);
      const [first] = nodes;
      if (index > 0 && first) await one.call("CLUSTER", "MEET", first.address, first.port, first.busPort);
    }
    for (const [index, one] of connections.slice(0, primaries).entries()) {
      const begin = Math.floor((index * SLOTS) / primaries);
      const end = Math.floor(((index + 1) * SLOTS) / primaries) - 1;
      await one.call("CLUSTER", "ADDSLOTSRANGE", begin, end);
    }
    await all(
      connections,
      async (one) => (await one.text("CLUSTER", "NODES")).trim().split("\n").length >= nodes.length,
    );
    for (const [index, one] of connections.entries()) {
      if (index >= primaries)
        await until(() => isDone(one.call("CLUSTER", "REPLICATE", ids[index % primaries] ?? "")));
    }
    await all(connections, async (one) => (await one.text("CLUSTER", "INFO")).includes("cluster_state:ok"));
    await all(connections.slice(primaries), async (one) =>
      (await one.text("INFO", "replication")).includes("master_link_status:up"),
    );
  } finally {
    await Promise.all(connections.map((one) => one[Symbol.asyncDispose]()));
  }
}

async function all(
  connections: readonly RespConnection[],
  holds: (one: RespConnection) => Promise<boolean>,
): Promise<void> {
  for (const one of connections) await until(() => holds(one));
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  while (!(await holds())) await wait(POLL_MS);
}

async function isDone(call: Promise<unknown>): Promise<boolean> {
  return call.then(
    () => true,
    () => false,
  );
}
