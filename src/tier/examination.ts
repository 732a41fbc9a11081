/** Looks at every node of a tier's engine: what is not as the tier needs it, and where its shards stand. Changes nothing. */
import type { HostPort } from "../common/host-port.ts";
import { ask } from "./engine/ask.ts";
import { type ConnectionOptions, EngineConnection, unavailable } from "./engine/connection.ts";
import { EngineError, type Reply } from "./engine/resp3.ts";
import {
  keyOf,
  type NodeName,
  rangeOf,
  type SlotRange,
  type Topology,
  toClusterInfo,
  toFields,
  toTopology,
} from "./engine/topology.ts";
import { readHead } from "./library/head.ts";
import { shardKeys, slotOfShard, TIER_SHARDS } from "./library/keys.ts";
import { LIBRARY_VERSION } from "./library/source.ts";

export interface Finding {
  /** HOST:PORT, or "cluster". */
  readonly node: string;
  readonly subject: string;
  readonly found: string;
  /** What to do about it. Undefined: it is as it should be. */
  readonly fix: string | undefined;
}

export interface ShardPlace {
  readonly shard: number;
  readonly node: string;
  /** Undefined: the shard has not begun. */
  readonly head: { readonly epoch: bigint; readonly revision: number; readonly isOwned: boolean } | undefined;
}

export type ExaminationOptions = Omit<ConnectionOptions, "endpoint"> & {
  readonly seeds: readonly HostPort[];
};

const VERSION_MIN = 7;
const NODE_TIMEOUT_MAX_MS = 2_000;
const PUBSUB_LIMIT_MIN_BYTES = 64 * 1024 * 1024;
const CLOCK_MAX_MS = 1_000;

/** Rejects with UNAVAILABLE when no node answers, or none is in a cluster. */
export async function examineTier(options: ExaminationOptions): Promise<readonly Finding[]> {
  const topology = await topologyOf(options);
  const nodes = topology.ranges.flatMap(({ primary, replicas }) => [primary, ...replicas]);
  const all = [...new Map(nodes.map((node) => [node.id, node])).values()];
  const ofNodes = await Promise.all(all.map((node) => examineNode(node, options)));
  return [...examineCluster(topology), ...ofNodes.flat()];
}

/** Where every shard is, by what its node says. Rejects as `examineTier`. */
export async function placesOf(options: ExaminationOptions): Promise<readonly ShardPlace[]> {
  const topology = await topologyOf(options);
  const shards = Array.from({ length: TIER_SHARDS }, (_, shard) => ({
    shard,
    range: rangeOf(topology, slotOfShard(shard)),
  }));
  const primaries = new Map(
    shards.flatMap(({ range }) => (range ? [[range.primary.id, range.primary] as const] : [])),
  );
  const places = await Promise.all(
    [...primaries.values()].map((primary) =>
      connected(primary.endpoint, options, async (connection) => {
        const owner = toFields(String(await ask(connection, ["INFO", "replication"]))).get("master_replid");
        const own = shards.filter(({ range }) => range?.primary.id === primary.id);
        return Promise.all(own.map(({ shard }) => placeOf(shard, connection, owner)));
      }),
    ),
  );
  return places.flat().sort((one, other) => one.shard - other.shard);
}

async function placeOf(
  shard: number,
  connection: EngineConnection,
  owner: string | undefined,
): Promise<ShardPlace> {
  const bytes = await ask(connection, ["GET", shardKeys(shard).head]);
  const head = Buffer.isBuffer(bytes) ? readHead(bytes) : undefined;
  return {
    shard,
    node: keyOf(connection.endpoint),
    head: head && { epoch: head.epoch, revision: head.revision, isOwned: head.owner === owner },
  };
}

async function topologyOf(options: ExaminationOptions): Promise<Topology> {
  let problem: unknown;
  for (const seed of options.seeds) {
    try {
      return await connected(seed, options, async (connection) => {
        const topology = toTopology(await ask(connection, ["CLUSTER", "SLOTS"]), seed);
        const info = toClusterInfo(await ask(connection, ["CLUSTER", "INFO"]));
        if (topology === undefined || info === undefined)
          throw unavailable(`${keyOf(seed)} is in no cluster`);
        return topology;
      });
    } catch (error) {
      problem = error;
    }
  }
  throw unavailable(
    problem instanceof Error ? problem.message : "no node of the engine can be reached",
    problem,
  );
}

function examineCluster({ ranges }: Topology): Finding[] {
  const missing = Array.from({ length: TIER_SHARDS }, (_, shard) => shard).filter(
    (shard) => rangeOf({ ranges }, slotOfShard(shard)) === undefined,
  );
  const lonely = [...new Set(ranges.filter(isLonely).map(({ primary }) => keyOf(primary.endpoint)))];
  return [
    finding(
      "cluster",
      "shards with a node",
      `${TIER_SHARDS - missing.length} of ${TIER_SHARDS}`,
      missing.length === 0,
      "give every slot a node",
    ),
    finding(
      "cluster",
      "primaries without a replica",
      String(lonely.length),
      lonely.length === 0,
      `add a replica to ${lonely.join(", ")}`,
    ),
  ];
}

function isLonely({ replicas }: SlotRange): boolean {
  return replicas.length === 0;
}

async function examineNode({ endpoint }: NodeName, options: ExaminationOptions): Promise<Finding[]> {
  const node = keyOf(endpoint);
  try {
    return await connected(endpoint, options, (connection) => examineConnected(node, connection));
  } catch (error) {
    return [
      finding(
        node,
        "connection",
        error instanceof Error ? error.message : "none",
        false,
        "start it, or let this server reach it",
      ),
    ];
  }
}

async function examineConnected(node: string, connection: EngineConnection): Promise<Finding[]> {
  const info = toFields(String(await ask(connection, ["INFO", "everything"])));
  const version = info.get("valkey_version") ?? info.get("redis_version") ?? "";
  const policy = info.get("maxmemory_policy") ?? "";
  const timeoutMs = await settingOf(connection, "cluster-node-timeout");
  const backlogTtl = await settingOf(connection, "repl-backlog-ttl");
  const limits = await settingOf(connection, "client-output-buffer-limit");
  const pubsub = Number(/pubsub (\d+)/.exec(limits ?? "")?.[1] ?? Number.NaN);
  const clock = await clockDifferenceMs(connection);
  const library = info.get("role") === "master" ? await libraryOf(connection) : undefined;
  return [
    finding(
      node,
      "version",
      version,
      Number.parseInt(version, 10) >= VERSION_MIN,
      "run Redis 7.0 or later, or Valkey 8 or later",
    ),
    finding(
      node,
      "maxmemory-policy",
      policy,
      !policy.startsWith("allkeys"),
      "CONFIG SET maxmemory-policy volatile-lru",
    ),
    known(
      node,
      "cluster-node-timeout",
      timeoutMs,
      (ms) => Number(ms) <= NODE_TIMEOUT_MAX_MS,
      "CONFIG SET cluster-node-timeout 1000",
    ),
    known(
      node,
      "repl-backlog-ttl",
      backlogTtl,
      (seconds) => seconds === "0",
      "CONFIG SET repl-backlog-ttl 0",
    ),
    known(
      node,
      "client-output-buffer-limit pubsub",
      limits && String(pubsub),
      () => pubsub === 0 || pubsub >= PUBSUB_LIMIT_MIN_BYTES,
      'CONFIG SET client-output-buffer-limit "pubsub 268435456 67108864 60"',
    ),
    finding(
      node,
      "clock against this machine's",
      `${clock} ms`,
      Math.abs(clock) <= CLOCK_MAX_MS,
      "synchronize the clocks",
    ),
    ...(library === undefined
      ? []
      : [
          finding(
            node,
            "function library",
            library.text,
            library.isUsable,
            "let a server load it: its user needs FUNCTION LOAD",
          ),
        ]),
  ];
}

async function libraryOf(
  connection: EngineConnection,
): Promise<{ readonly text: string; readonly isUsable: boolean }> {
  try {
    const reply = await ask(connection, ["FCALL_RO", "mc_beat", "0"]);
    const version = Array.isArray(reply) ? Number((reply as readonly Reply[])[0]) : Number.NaN;
    return { text: `version ${version}`, isUsable: version >= LIBRARY_VERSION };
  } catch (error) {
    if (!(error instanceof EngineError)) throw error;
    // The first server loads it.
    return { text: "none yet", isUsable: error.message.includes("not found") };
  }
}

async function clockDifferenceMs(connection: EngineConnection): Promise<number> {
  const beforeMs = Date.now();
  const reply = (await ask(connection, ["TIME"])) as readonly Reply[];
  const middleMs = (beforeMs + Date.now()) / 2;
  return Math.round(Number(String(reply[0])) * 1_000 + Number(String(reply[1])) / 1_000 - middleMs);
}

/** Undefined: this user may not read settings. */
async function settingOf(connection: EngineConnection, name: string): Promise<string | undefined> {
  try {
    const [, value] = (await ask(connection, ["CONFIG", "GET", name])) as readonly Reply[];
    return value === undefined ? undefined : String(value);
  } catch (error) {
    if (error instanceof EngineError) return undefined;
    throw error;
  }
}

function known(
  node: string,
  subject: string,
  value: string | undefined,
  isGood: (value: string) => boolean,
  fix: string,
): Finding {
  if (value === undefined) return { node, subject, found: "not shown to this user", fix: undefined };
  return finding(node, subject, value, isGood(value), fix);
}

function finding(node: string, subject: string, found: string, isGood: boolean, fix: string): Finding {
  return { node, subject, found, fix: isGood ? undefined : fix };
}

async function connected<Result>(
  endpoint: HostPort,
  options: ExaminationOptions,
  run: (connection: EngineConnection) => Promise<Result>,
): Promise<Result> {
  const connection = new EngineConnection(
    { ...options, endpoint },
    { message() {}, unsubscribed() {}, closed() {} },
  );
  try {
    return await run(connection);
  } finally {
    connection.close();
  }
}
