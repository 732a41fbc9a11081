/** `meshcache stats --proxy`: what a proxy has counted, as its admin port says. */
import { toDuration } from "../../common/duration.ts";
import { parseServerAddress, SERVER_ADDRESS_FORM } from "../../common/host-port.ts";
import type { Counts } from "../../http-proxy/telemetry/counts.ts";
import { CliError, EXIT, usageError } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine, plural, toColumns, toCount, toShare, toSize } from "../output/text.ts";
import type { CommandContext } from "../service/session.ts";

export interface ProxyStats {
  readonly kind: "grpc" | "http";
  readonly version: string;
  /** The service. */
  readonly before: string;
  readonly namespace: string;
  readonly uptimeMs: number;
  readonly connections: number;
  readonly counts: object;
}

interface ProxyStatsOptions {
  readonly proxy: string;
  readonly json?: true;
  readonly timeout: number;
}

export async function showProxyStats(
  { terminal, finish }: CommandContext,
  { proxy, json = undefined, timeout }: ProxyStatsOptions,
): Promise<void> {
  try {
    if (parseServerAddress(proxy) === undefined) throw usageError(`--proxy must be ${SERVER_ADDRESS_FORM}`);
    const stats = await readStats(
      proxy,
      AbortSignal.any([AbortSignal.timeout(timeout), terminal.interrupted]),
    );
    await writeLine(terminal.stdout, json ? toJsonLine(stats) : describe(stats, proxy).join("\n"));
    finish(EXIT.ok);
  } catch (error) {
    finish(await reportFailure(error, terminal, json === true));
  }
}

async function readStats(address: string, signal: AbortSignal): Promise<ProxyStats> {
  try {
    const response = await fetch(`http://${address}/stats`, { signal });
    const stats: unknown = await response.json();
    if (response.ok && typeof stats === "object" && stats !== null && "counts" in stats)
      return stats as ProxyStats;
  } catch (cause) {
    const message = `no proxy answers at ${address} (is it running, with --admin?)`;
    throw new CliError(EXIT.unavailable, "UNAVAILABLE", message, { cause });
  }
  const message = `what answers at ${address} is not the admin port of a proxy`;
  throw new CliError(EXIT.unavailable, "UNAVAILABLE", message);
}

function describe(stats: ProxyStats, address: string): string[] {
  const { kind, version, before, namespace, uptimeMs, connections, counts } = stats;
  const head = `meshcache proxy ${oneLine(version)} at ${address} · before ${oneLine(before)} · namespace ${oneLine(namespace)} · up ${toDuration(uptimeMs)}`;
  const rows =
    kind === "http"
      ? [...toHttpRows(counts as Counts), ["connections", toCount(connections), ""]]
      : Object.entries(counts).map(([name, count]) => [oneLine(name), toCount(Number(count)), ""]);
  return [head, ...toColumns(rows, [1])];
}

function toHttpRows(counts: Counts): string[][] {
  const { requests, sentBytes, notStored, refusedByLimit } = counts;
  const { hit, stale, stale_on_error: staleOnError, revalidated, collapsed, miss, pass } = requests;
  const cached = hit + stale + staleOnError;
  const reads = cached + revalidated + collapsed + miss + pass + requests.error;
  const { write, purge, refused, gone } = requests;
  return [
    [
      "reads",
      toCount(reads),
      `${toShare(cached, reads)} hits · ${toCount(stale + staleOnError)} stale · ${toCount(revalidated)} revalidated · ` +
        `${toCount(collapsed)} collapsed · ${plural(miss, "miss", "misses")} · ${toCount(pass)} passed · ${plural(requests.error, "error")}`,
    ],
    [
      "other requests",
      toCount(write + purge + refused + gone),
      `${plural(write, "write")} · ${plural(purge, "purge")} · ${toCount(refused)} refused · ${toCount(gone)} gone before their answer`,
    ],
    ["sent", toSize(sentBytes.cache + sentBytes.origin), `${toSize(sentBytes.cache)} from the cache`],
    ["origin", toCount(counts.originRequests), `requests · ${toSize(counts.originBytes)} received`],
    ["stored", toCount(counts.stored), named("not stored", notStored)],
    ["limits", toCount(sum(refusedByLimit)), named("refused", refusedByLimit)],
  ];
}

/** Those that are not 0. */
function named(what: string, counts: Readonly<Record<string, number>>): string {
  const some = Object.entries(counts).filter(([, count]) => count > 0);
  if (some.length === 0) return "";
  return `${what}: ${some.map(([name, count]) => `${toCount(count)} ${oneLine(name)}`).join(" · ")}`;
}

function sum(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((total, count) => total + count, 0);
}
