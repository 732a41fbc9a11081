/**
 * Runs the example: an API, two proxies before it, and a cache, each a process of its own, started by the commands that you would use.
 *
 *   npm run example:http-api [-- --trace web07.trace.gz] [-- --calls 20000]
 *
 * The trace has one access of an object in each four bytes, big-endian. Without it, users are drawn by Zipf's law.
 */
import { type ChildProcess, fork } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import { Agent, request } from "node:http";
import { text } from "node:stream/consumers";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { drawUsers, readAccesses } from "../responses/run.ts";
import { drawTraces } from "../run.ts";
import type { SpanReport } from "../tracing.ts";
import { startCollector } from "./collector.ts";

export interface Step {
  readonly through: string;
  readonly request: string;
  readonly name: string;
  /** `Cache-Status` of the answer, without the name of the cache. */
  readonly cacheStatus: string;
  readonly traceId: string;
  readonly tookMs: number;
}

export interface Load {
  readonly requests: number;
  /** Of them, those that the API has had. */
  readonly served: number;
  readonly tookMs: number;
}

export interface HttpApiStory {
  readonly steps: readonly Step[];
  readonly spans: readonly SpanReport[];
  readonly direct: Load;
  readonly proxied: Load;
  /** The requests of the load that the proxies have answered, by what became of them. */
  readonly outcomes: Readonly<Record<string, number>>;
}

const IN_FLIGHT = 8;
const COMMAND = fileURLToPath(new URL("../../src/cli/launch.ts", import.meta.url));
const API = fileURLToPath(new URL("./api.ts", import.meta.url));

class Part {
  readonly #child: ChildProcess;
  #output = "";

  constructor(file: string, args: readonly string[], env: Readonly<Record<string, string>>) {
    this.#child = fork(file, [...args], {
      execArgv: [],
      env: { ...process.env, ...env },
      stdio: ["ignore", "pipe", "inherit", "ipc"],
    });
    this.#child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
      this.#output += chunk;
    });
  }

  /** What it has said, once it matches. */
  async says(pattern: RegExp): Promise<string> {
    for (;;) {
      const found = pattern.exec(this.#output)?.[1];
      if (found !== undefined) return found;
      const ended = once(this.#child, "exit").then(() => Promise.reject(new Error(this.#output)));
      await Promise.race([once(this.#child.stdout ?? this.#child, "data"), ended]);
    }
  }

  async ask(): Promise<number> {
    this.#child.send("requests");
    const [answer] = await once(this.#child, "message");
    return Number(answer);
  }

  /** Ends it in order, so that it sends its last spans. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exit = once(this.#child, "exit");
    this.#child.kill("SIGTERM");
    await exit;
  }
}

export async function runHttpApiExample(userIds: readonly number[]): Promise<HttpApiStory> {
  await using collector = await startCollector();
  const env = {
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
    OTEL_METRICS_EXPORTER: "none",
  };
  let story: Omit<HttpApiStory, "spans">;
  {
    await using parts = new AsyncDisposableStack();
    const start = (name: string, file: string, ...args: string[]): Part =>
      parts.use(new Part(file, args, { ...env, OTEL_SERVICE_NAME: name }));
    const server = start("cache", COMMAND, "serve", "--listen", "127.0.0.1:0", "--admin", "off");
    const cache = await server.says(/listens on (\S+)/);
    const api = start("api", API);
    const origin = `http://${await api.says(/listening on (\S+),/)}`;
    const startProxy = async (name: string) => {
      const flags = [
        "--origin",
        origin,
        "--cache",
        cache,
        "--listen",
        "127.0.0.1:0",
        "--admin",
        "127.0.0.1:0",
      ];
      const proxy = start(name, COMMAND, "proxy", ...flags);
      const address = await proxy.says(/listening on (\S+),/);
      return { name, address, admin: await proxy.says(/stats on (\S+)/) };
    };
    story = await tell(
      api,
      origin.slice("http://".length),
      await startProxy("proxy a"),
      await startProxy("proxy b"),
      userIds,
    );
  }
  const traces = new Set(story.steps.map(({ traceId }) => traceId));
  return { ...story, spans: collector.spans.filter(({ traceId }) => traces.has(traceId)) };
}

interface Proxy {
  readonly name: string;
  readonly address: string;
  /** Where it says what it has counted. */
  readonly admin: string;
}

async function tell(api: Part, origin: string, a: Proxy, b: Proxy, userIds: readonly number[]) {
  const steps: Step[] = [];
  const step = async ({ name: through, address }: Proxy, method: string, name?: string): Promise<void> => {
    const startedMs = performance.now();
    const answer = await ask(address, method, "/users/0", { name, sampled: true });
    const tookMs = performance.now() - startedMs;
    steps.push({ through, request: `${method} /users/0`, ...answer, tookMs });
  };
  await step(a, "GET");
  await until(a, "/users/0", /detail=near/);
  await step(a, "GET");
  await step(b, "GET");
  await step(b, "PATCH", "Ada");
  await until(a, "/users/0", /^meshcache$/);
  await step(a, "GET");
  const direct = await load(api, [origin], userIds);
  const before = await outcomesOf([a, b]);
  const proxied = await load(api, [a.address, b.address], userIds);
  const after = await outcomesOf([a, b]);
  const outcomes = Object.fromEntries(
    Object.entries(after).map(([outcome, count]) => [outcome, count - (before[outcome] ?? 0)]),
  );
  return { steps, direct, proxied, outcomes };
}

/**
 * Until a response is in the memory of a proxy, or the event of its invalidation has come, which takes milliseconds. Asks for what the
 * proxy has without the origin.
 */
async function until({ address }: Proxy, path: string, cacheStatus: RegExp): Promise<void> {
  for (;;) {
    const headers = { "cache-control": "only-if-cached", traceparent: createTraceparent(false) };
    const answer = await fetch(`http://${address}${path}`, { headers });
    await answer.body?.cancel();
    if (cacheStatus.test(answer.headers.get("cache-status") ?? "")) return;
  }
}

/** Eight requests at a time, through each of the addresses by turns. */
async function load(api: Part, addresses: readonly string[], userIds: readonly number[]): Promise<Load> {
  const before = await api.ask();
  const startedMs = performance.now();
  let next = 0;
  const lane = async (): Promise<void> => {
    while (next < userIds.length) {
      const at = next++;
      await ask(addresses[at % addresses.length] ?? "", "GET", `/users/${userIds[at]}`, { sampled: false });
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
  const tookMs = performance.now() - startedMs;
  return { requests: userIds.length, served: (await api.ask()) - before, tookMs };
}

/** As `meshcache stats --proxy` shows it, of all proxies together. */
async function outcomesOf(proxies: readonly Proxy[]): Promise<Record<string, number>> {
  const sum: Record<string, number> = {};
  for (const { admin } of proxies) {
    const stats = await (await fetch(`${admin}/stats`)).json();
    const { requests } = (stats as { counts: { requests: Record<string, number> } }).counts;
    for (const [outcome, count] of Object.entries(requests)) sum[outcome] = (sum[outcome] ?? 0) + count;
  }
  return sum;
}

const agent = new Agent({ keepAlive: true });

interface Asked {
  readonly name?: string | undefined;
  /** Spans of it are kept. */
  readonly sampled: boolean;
}

async function ask(address: string, method: string, path: string, { name, sampled }: Asked) {
  const [host, port] = address.split(":");
  const traceparent = createTraceparent(sampled);
  const headers = { traceparent, "content-type": "application/json" };
  const asking = request({ host, port, path, method, headers, agent });
  asking.end(name === undefined ? undefined : JSON.stringify({ name }));
  const [answer] = await once(asking, "response");
  const user = JSON.parse(await text(answer)) as { name: string };
  const cacheStatus = String(answer.headers["cache-status"] ?? "").replace("meshcache; ", "");
  return { name: user.name, cacheStatus, traceId: traceparent.slice(3, 35) };
}

/** `sampled`: spans of it are kept. */
function createTraceparent(sampled: boolean): string {
  return `00-${randomBytes(16).toString("hex")}-${randomBytes(8).toString("hex")}-0${Number(sampled)}`;
}

function print({ steps, spans, direct, proxied, outcomes }: HttpApiStory): void {
  for (const { through, request: asked, name, cacheStatus, tookMs } of steps)
    console.log(
      `${through.padEnd(9)}${asked.padEnd(16)}${name.padEnd(8)}${cacheStatus.padEnd(40)}${tookMs.toFixed(1)} ms`,
    );
  console.log(`\nTraces:\n${drawTraces(spans)}\n`);
  const line = (title: string, { requests, served, tookMs }: Load): string =>
    `${title.padEnd(21)}${requests} requests, ${served} of them by the API, in ${(tookMs / 1_000).toFixed(1)} s`;
  console.log(line("without the proxies:", direct));
  console.log(line("through them:", proxied));
  console.log(`hit ratio:           ${((100 * (outcomes.hit ?? 0)) / proxied.requests).toFixed(1)} %`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { trace: { type: "string" }, calls: { type: "string" } } });
  const calls = Number(values.calls ?? 5_000);
  print(
    await runHttpApiExample(
      values.trace === undefined ? drawUsers(calls, 2_000) : readAccesses(values.trace, calls),
    ),
  );
  agent.destroy();
}
