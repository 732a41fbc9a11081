/**
 * The past of the figures that AdminService shows, as Prometheus has it: one query for all of them, bounded in time, in
 * bytes and in how many run.
 */
import { create } from "@bufbuild/protobuf";
import {
  type HistoryRequest,
  type HistoryResponse,
  HistoryResponseSchema,
} from "../../../gen/meshcache/v1/admin_pb.ts";
import { CacheError, fieldInvalid } from "../../common/errors.ts";

export interface HistorySource {
  /** Where Prometheus is, "http://prometheus:9090". */
  readonly url: string;
  /** The labels that its series of this server have, as in a selector: `job="meshcache"`. */
  readonly labels: string;
}

export type ReadHistory = (request: HistoryRequest, signal: AbortSignal) => Promise<HistoryResponse>;

const WINDOW_MIN_S = 60;
const WINDOW_MAX_S = 31 * 24 * 3_600;
const POINTS_MIN = 2;
const POINTS_MAX = 1_000;
const POINTS_DEFAULT = 240;
/** A rate over less than a few scrapes has holes. */
const RATE_MIN_S = 60;
const TIMEOUT_MS = 5_000;
const ANSWER_MAX_BYTES = 4 * 1024 * 1024;
/** At a time, in this thread. */
const READS_MAX = 4;

/** By name, with `@` for the labels and `#` for the time of a rate. */
const QUERIES: Readonly<Record<string, string>> = {
  hits: `sum(rate(meshcache_reads_total{@,meshcache_outcome="hit"}[#]))`,
  stale: `sum(rate(meshcache_reads_total{@,meshcache_outcome="stale_hit"}[#]))`,
  misses: `sum(rate(meshcache_reads_total{@,meshcache_outcome="miss"}[#]))`,
  sets: `sum(rate(meshcache_sets_total{@,meshcache_outcome="stored"}[#]))`,
  invalidations: `sum(rate(meshcache_invalidations_total{@}[#]))`,
  evictedCapacity: `sum(rate(meshcache_evictions_total{@,meshcache_reason="capacity"}[#]))`,
  evictedExpired: `sum(rate(meshcache_evictions_total{@,meshcache_reason="expired"}[#]))`,
  evictedFenced: `sum(rate(meshcache_evictions_total{@,meshcache_reason="fenced"}[#]))`,
  p50S: quantile(0.5),
  p99S: quantile(0.99),
  bytes: "sum(meshcache_memory_usage{@})",
  budgetBytes: "sum(meshcache_memory_limit{@})",
  entries: "sum(meshcache_entries{@})",
  subscribers: "sum(meshcache_subscribers{@})",
  lagEvents: "max(meshcache_subscribers_lag{@})",
  connections: "sum(meshcache_connections{@})",
  // The metric has the 20 ms between its samples in it, as its convention has it.
  loopDelayS: "clamp_min(max(nodejs_eventloop_delay_p99{@})-0.02,0)",
};

function quantile(share: number): string {
  const unary = `rpc_method=~"meshcache.v1.CacheService/.*",rpc_method!~".*/(Stream|Exchange)"`;
  return `histogram_quantile(${share},sum by (le)(rate(rpc_server_call_duration_bucket{@,${unary}}[#])))`;
}

const NAME_LABEL = "figure";

/** One expression whose series have the names of `QUERIES` in a label. */
export function historyQuery(labels: string, rateS: number): string {
  return Object.entries(QUERIES)
    .map(([name, query]) => `label_replace(${query},"${NAME_LABEL}","${name}","","")`)
    .join(" or ")
    .replaceAll("{@}", `{${labels}}`)
    .replaceAll("{@,", labels === "" ? "{" : `{${labels},`)
    .replaceAll("#", `${rateS}s`);
}

export function createHistory({ url, labels }: HistorySource, nowMs: () => number): ReadHistory {
  let reads = 0;
  return async (request, signal) => {
    const { windowS, points } = checkRequest(request);
    if (reads >= READS_MAX) {
      throw new CacheError("LIMIT_EXCEEDED", "too many reads of the history at a time", {
        limit: "history_reads",
        bound: String(READS_MAX),
      });
    }
    reads += 1;
    try {
      const stepS = Math.max(1, Math.ceil(windowS / (points - 1)));
      // At multiples of the step: a page that asks again gets the same points, and Prometheus may keep them.
      const endS = Math.floor(nowMs() / 1_000 / stepS) * stepS;
      const startS = endS - Math.floor(windowS / stepS) * stepS;
      const times = Array.from({ length: (endS - startS) / stepS + 1 }, (_, index) => startS + index * stepS);
      const form = new URLSearchParams({
        query: historyQuery(labels, Math.max(RATE_MIN_S, 2 * stepS)),
        start: String(startS),
        end: String(endS),
        step: String(stepS),
      });
      return toResponse(times, stepS, await ask(url, form, signal));
    } finally {
      reads -= 1;
    }
  };
}

function checkRequest({ windowS, pointsMax }: HistoryRequest): { windowS: number; points: number } {
  if (windowS < WINDOW_MIN_S || windowS > WINDOW_MAX_S) {
    throw fieldInvalid("window_s", `${WINDOW_MIN_S} to ${WINDOW_MAX_S}`);
  }
  const points = pointsMax === 0 ? POINTS_DEFAULT : pointsMax;
  if (points < POINTS_MIN || points > POINTS_MAX)
    throw fieldInvalid("points_max", `${POINTS_MIN} to ${POINTS_MAX}`);
  return { windowS, points };
}

/** A range vector of Prometheus's HTTP API. */
type Answer = readonly {
  readonly name: string;
  readonly values: readonly (readonly [timeS: number, value: string])[];
}[];

async function ask(url: string, form: URLSearchParams, signal: AbortSignal): Promise<Answer> {
  try {
    const answer = await fetch(new URL("api/v1/query_range", url.endsWith("/") ? url : `${url}/`), {
      method: "POST",
      body: form,
      // A redirect could lead to a server that nobody named.
      redirect: "error",
      signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT_MS)]),
    });
    const text = await textOf(answer);
    if (!answer.ok) throw new Error(`it answered with the HTTP status ${answer.status}`);
    return parseAnswer(JSON.parse(text));
  } catch (cause) {
    throw new CacheError("UNAVAILABLE", "Prometheus did not give the history", {}, { cause });
  }
}

async function textOf(answer: Response): Promise<string> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > ANSWER_MAX_BYTES) throw new Error("it answered with too much");
    parts.push(part);
  }
  return Buffer.concat(parts, bytes).toString();
}

/** Throws for what is no answer of Prometheus. */
function parseAnswer(answer: { data?: { result?: unknown } }): Answer {
  const result = answer.data?.result;
  if (!Array.isArray(result)) throw new Error("it answered with something else");
  return result.map((one: { metric?: Record<string, unknown>; values?: unknown }) => {
    const name = one.metric?.[NAME_LABEL];
    if (typeof name !== "string" || !Array.isArray(one.values))
      throw new Error("it answered with something else");
    return { name, values: one.values as Answer[number]["values"] };
  });
}

function toResponse(timesS: readonly number[], stepS: number, answer: Answer): HistoryResponse {
  const [startS = 0] = timesS;
  const series = answer
    .filter(({ name }) => Object.hasOwn(QUERIES, name))
    .map(({ name, values }) => {
      const column = new Array<number>(timesS.length).fill(Number.NaN);
      for (const [timeS, value] of values) {
        const index = Math.round((timeS - startS) / stepS);
        if (index >= 0 && index < column.length) column[index] = Number(value);
      }
      return { name, values: column };
    });
  return create(HistoryResponseSchema, { timesS: [...timesS], series });
}
