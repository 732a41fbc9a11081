/** `meshcache stats`: the counters of the server. */
import type { Command } from "commander";
import {
  AdminService,
  type NamespaceStats,
  type OperationStats,
  type StatsResponse,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import { toDuration } from "../../common/duration.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { oneLine, plural, toColumns, toCount, toShare, toSize } from "../output/text.ts";
import {
  addSessionOptions,
  type CommandContext,
  runSession,
  type Session,
  type SessionOptions,
} from "../service/session.ts";
import { showProxyStats } from "./proxy-stats.ts";

interface StatsOptions extends SessionOptions {
  readonly shards?: true;
  readonly namespaces?: true;
  readonly proxy?: string;
}

const EXAMPLES = `
Counters start at zero when the server starts. A fenced entry was removed because an invalidation
covers it. What near caches answer never reaches the server, and is not in its counters; those of a
"meshcache proxy" with --admin are read with --proxy.

Examples:
  meshcache stats
  meshcache stats --shards
  meshcache stats --namespaces
  meshcache stats --proxy 127.0.0.1:9465
  meshcache stats --json | jq .operations.hits`;

export function addStatsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("stats")
    .description("show the counters of the server")
    .option("--shards", "also show a row for each shard")
    .option("--namespaces", "also show a row for each namespace, those with the most reads and sets first")
    .option("--proxy <host:port>", "show the counters of the proxy whose admin port this is");
  addSessionOptions(command, context)
    .addHelpText("after", EXAMPLES)
    .action((options: StatsOptions) =>
      options.proxy === undefined
        ? runSession(context, options, (session) => stats(session, options))
        : showProxyStats(context, { ...options, proxy: options.proxy }),
    );
}

async function stats(session: Session, options: StatsOptions): Promise<ExitCode> {
  const response = await session.call(AdminService.method.stats, {});
  await session.answer(
    () => toJsonStats(response),
    () =>
      [
        ...describe(response, session.address),
        ...(options.shards ? ["", ...describeShards(response)] : []),
        ...(options.namespaces ? ["", ...describeNamespaces(response.namespaces)] : []),
      ].join("\n"),
  );
  return EXIT.ok;
}

/** The names of the response; counters as numbers, the epoch as a string. */
function toJsonStats({ $typeName, epoch, ...rest }: StatsResponse): object {
  return { epoch: epoch.toString(), ...toPlain(rest) };
}

function toPlain(message: object): object {
  return Object.fromEntries(
    Object.entries(message)
      .filter(([name]) => !name.startsWith("$"))
      .map(([name, value]: [string, unknown]) => [name, toPlainValue(value)]),
  );
}

function toPlainValue(value: unknown): unknown {
  if (typeof value === "bigint") return Number(value);
  if (Array.isArray(value)) return value.map(toPlainValue);
  return typeof value === "object" && value !== null ? toPlain(value) : value;
}

function describe(response: StatsResponse, address: string): string[] {
  const { serverVersion, uptimeMs, epoch, operations } = response;
  const uptime = toDuration(Number(uptimeMs));
  const rows = [
    ...toStoreRows(response),
    ...(operations === undefined ? [] : toOperationRows(operations)),
    [
      "subscribers",
      toCount(response.subscribers),
      `${plural(Number(response.overruns), "gap")} for slow readers`,
    ],
    ["connections", toCount(response.connections), ""],
  ];
  return [
    `meshcache ${serverVersion} at ${address} · up ${uptime} · epoch ${epoch.toString(16)}`,
    ...toColumns(rows, [1]),
  ];
}

function toStoreRows({ shards }: StatsResponse): string[][] {
  const total = (field: "entries" | "bytes" | "budgetBytes") =>
    shards.reduce((sum, shard) => sum + Number(shard[field]), 0);
  const share = toShare(total("bytes"), total("budgetBytes"));
  return [
    ["entries", toCount(total("entries")), `on ${plural(shards.length, "shard")}`],
    ["memory", toSize(total("bytes")), `of ${toSize(total("budgetBytes"))} (${share})`],
  ];
}

function toOperationRows(operations: OperationStats): string[][] {
  const { hits, staleHits, misses, sets, setsRefused, touches, invalidations, evictions, leases } =
    operations;
  const n = toCount;
  const many = (count: bigint, one: string, several?: string) => plural(Number(count), one, several);
  const reads = hits + staleHits + misses;
  const rows = [
    [
      "reads",
      n(reads),
      `${toShare(Number(hits), Number(reads))} hits · ${n(staleHits)} stale · ${many(misses, "miss", "misses")}`,
    ],
    ["sets", n(sets), `${n(setsRefused)} refused · ${n(touches)} touched`],
  ];
  if (invalidations !== undefined) {
    const { keys, tags, prefixes, all } = invalidations;
    const [byKey, byTag] = [many(keys, "key"), many(tags, "tag")];
    const [byPrefix, ofNamespace] = [many(prefixes, "prefix", "prefixes"), many(all, "namespace")];
    const kinds = [byKey, byTag, byPrefix, ofNamespace].join(" · ");
    rows.push(["invalidations", n(keys + tags + prefixes + all), kinds]);
  }
  if (evictions !== undefined) {
    const { capacity, expired, fenced } = evictions;
    const kinds = `${n(capacity)} for room · ${n(expired)} expired · ${n(fenced)} fenced`;
    rows.push(["evictions", n(capacity + expired + fenced), kinds]);
  }
  if (leases !== undefined) {
    const { granted, filled, shared, lost, expired } = leases;
    const kinds = `${n(filled)} filled · ${n(shared)} shared · ${n(lost)} lost · ${n(expired)} expired`;
    rows.push(["leases", n(granted), kinds]);
  }
  return rows;
}

const NAMESPACE_COLUMNS = [
  ...["namespace", "entries", "memory", "floor", "ceiling"],
  ...["reads", "hits", "sets", "invalidations", "evicted"],
];

function describeNamespaces(namespaces: readonly NamespaceStats[]): string[] {
  const rows = namespaces.map(({ namespace, entries, bytes, ceilingBytes, floorBytes, operations }) => {
    const { hits = 0n, staleHits = 0n, misses = 0n, sets = 0n, invalidations, evictions } = operations ?? {};
    const { keys = 0n, tags = 0n, prefixes = 0n, all = 0n } = invalidations ?? {};
    const reads = hits + staleHits + misses;
    return [
      namespace === "" ? "(others)" : oneLine(namespace),
      toCount(entries),
      toSize(Number(bytes)),
      floorBytes === 0n ? "" : toSize(Number(floorBytes)),
      ceilingBytes === 0n ? "" : toSize(Number(ceilingBytes)),
      toCount(reads),
      toShare(Number(hits), Number(reads)),
      toCount(sets),
      toCount(keys + tags + prefixes + all),
      toCount(evictions?.capacity ?? 0n),
    ];
  });
  return toColumns([NAMESPACE_COLUMNS, ...rows], [1, 2, 3, 4, 5, 6, 7, 8, 9]);
}

function describeShards({ shards }: StatsResponse): string[] {
  const rows = shards.map(({ shard, revision, entries, bytes, budgetBytes, logEvents }) => [
    String(shard),
    toCount(revision),
    toCount(entries),
    toSize(Number(bytes)),
    toShare(Number(bytes), Number(budgetBytes)),
    toCount(logEvents),
  ]);
  return toColumns(
    [["shard", "revision", "entries", "memory", "of budget", "log events"], ...rows],
    [0, 1, 2, 3, 4, 5],
  );
}
