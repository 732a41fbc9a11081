/** `meshcache stats`: the counters of the server. */
import type { Command } from "commander";
import { AdminService, type StatsResponse } from "../../../gen/meshcache/v1/admin_pb.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { plural, toColumns, toCount, toDuration, toShare, toSize } from "../output/text.ts";
import {
  addSessionOptions,
  type CommandContext,
  runSession,
  type Session,
  type SessionOptions,
} from "../service/session.ts";

interface StatsOptions extends SessionOptions {
  readonly shards?: true;
}

const EXAMPLES = `
Counters start at zero when the server starts. A fenced entry was removed because an invalidation
covers it.

Examples:
  meshcache stats
  meshcache stats --shards
  meshcache stats --json | jq .operations.hits`;

export function addStatsCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("stats")
    .description("show the counters of the server")
    .option("--shards", "also show a row for each shard");
  addSessionOptions(command, context)
    .addHelpText("after", EXAMPLES)
    .action((options: StatsOptions) => runSession(context, options, (session) => stats(session, options)));
}

async function stats(session: Session, options: StatsOptions): Promise<ExitCode> {
  const response = await session.call(AdminService.method.stats, {});
  await session.answer(
    () => toJsonStats(response),
    () =>
      [
        ...describe(response, session.address),
        ...(options.shards ? ["", ...describeShards(response)] : []),
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
  const { shards, operations, serverVersion, uptimeMs, epoch } = response;
  const total = (field: "entries" | "bytes" | "budgetBytes") =>
    shards.reduce((sum, shard) => sum + Number(shard[field]), 0);
  const hits = Number(operations?.hits ?? 0n);
  const staleHits = Number(operations?.staleHits ?? 0n);
  const reads = hits + staleHits + Number(operations?.misses ?? 0n);
  const { invalidations, evictions, leases } = operations ?? {};
  const n = (count: bigint | undefined) => toCount(count ?? 0n);
  const many = (count: bigint | undefined, one: string, several?: string) =>
    plural(Number(count ?? 0n), one, several);
  const rows: [string, string, string][] = [
    ["entries", toCount(total("entries")), `on ${plural(shards.length, "shard")}`],
    [
      "memory",
      toSize(total("bytes")),
      `of ${toSize(total("budgetBytes"))} (${toShare(total("bytes"), total("budgetBytes"))})`,
    ],
    [
      "reads",
      toCount(reads),
      `${toShare(hits, reads)} hits · ${toCount(staleHits)} stale · ${many(operations?.misses, "miss", "misses")}`,
    ],
    [
      "sets",
      n(operations?.sets),
      `${n(operations?.setsRefused)} refused · ${n(operations?.touches)} touched`,
    ],
    [
      "invalidations",
      n(
        invalidations && invalidations.keys + invalidations.tags + invalidations.prefixes + invalidations.all,
      ),
      [
        many(invalidations?.keys, "key"),
        many(invalidations?.tags, "tag"),
        many(invalidations?.prefixes, "prefix", "prefixes"),
        many(invalidations?.all, "namespace"),
      ].join(" · "),
    ],
    [
      "evictions",
      n(evictions && evictions.capacity + evictions.expired + evictions.fenced),
      `${n(evictions?.capacity)} for room · ${n(evictions?.expired)} expired · ${n(evictions?.fenced)} fenced`,
    ],
    [
      "leases",
      n(leases?.granted),
      `${n(leases?.filled)} filled · ${n(leases?.shared)} shared · ${n(leases?.lost)} lost · ${n(leases?.expired)} expired`,
    ],
    ["subscribers", n(response.subscribers), `${n(response.overruns)} dropped for being too slow`],
    ["connections", n(response.connections), ""],
  ];
  return [
    `meshcache ${serverVersion} at ${address} · up ${toDuration(Number(uptimeMs))} · epoch ${epoch.toString(16)}`,
    ...toColumns(rows, [1]),
  ];
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
