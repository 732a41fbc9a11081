/**
 * Runs the example: starts a cache, a worker and an API as processes, sends requests, and prints their traces. With `--tier` the one of
 * the shared tier.
 */
import { type ChildProcess, fork } from "node:child_process";
import { fileURLToPath } from "node:url";
import { call } from "./http.ts";
import type { Report, SpanReport } from "./tracing.ts";

export interface Step {
  readonly request: string;
  readonly status: number;
  readonly answer: unknown;
}

export interface Story {
  readonly steps: readonly Step[];
  readonly spans: readonly SpanReport[];
}

/** How long to wait for the spans of the last request, which come after its answer. */
const LAST_SPANS_MS = 200;

export async function runExample(): Promise<Story> {
  const children: ChildProcess[] = [];
  const spans: SpanReport[] = [];
  const steps: Step[] = [];

  /** Resolves with the address once the service listens. */
  const start = (file: string, ...args: string[]): Promise<string> =>
    new Promise((resolve, reject) => {
      const child = fork(fileURLToPath(new URL(file, import.meta.url)), args, { execArgv: [] });
      children.push(child);
      child.on("message", (message: Report) => {
        if (message.kind === "span") spans.push(message.span);
        else resolve(message.address);
      });
      child.once("exit", (code) => reject(new Error(`${file} ended with ${code}`)));
    });
  const ask = async (url: string, method = "GET", body?: unknown): Promise<void> => {
    const { status, body: answer } = await call(url, method, body);
    steps.push({ request: `${method} ${new URL(url).pathname}`, status, answer });
  };

  try {
    const cache = await start("./cache.ts");
    const worker = await start("./worker.ts", cache);
    const api = await start("./api.ts", cache, worker);
    await ask(`${api}/users/0`);
    await ask(`${api}/users/0`);
    await ask(`${worker}/users/0`, "PUT", { name: "Ada Lovelace" });
    await eventReported();
    await ask(`${api}/users/0`);
    await ask(`${worker}/tenants/acme`, "DELETE");
    await eventReported();
    await ask(`${api}/users/0`);
    await new Promise((resolve) => setTimeout(resolve, LAST_SPANS_MS));
  } finally {
    for (const child of children) child.kill();
  }
  return { steps, spans };

  /** Waits until the API has reported the event. Its near cache has dropped the entry before that. */
  async function eventReported(): Promise<void> {
    const writes = steps.filter(({ request }) => !request.startsWith("GET")).length;
    const told = () => new Set(changes().map(({ traceId }) => traceId)).size >= writes;
    while (!told()) await new Promise((resolve) => setTimeout(resolve, 10));
  }

  function changes(): SpanReport[] {
    return spans.filter(({ service, name }) => service === "api" && /^(key|tag) invalidated$/.test(name));
  }
}

/** The spans as trees, one for each trace. Equal siblings share a line. */
export function drawTraces(spans: readonly SpanReport[]): string {
  const lines: string[] = [];
  const draw = (siblings: readonly SpanReport[], depth: number): void => {
    // Roots are never joined: each is a trace of its own.
    const alike = Map.groupBy(siblings, ({ service, name, spanId }) =>
      depth === 1 ? spanId : `${service}: ${name}`,
    );
    for (const group of alike.values()) {
      const [first] = group;
      const title = `${first?.service}: ${first?.name}`;
      lines.push(`${"  ".repeat(depth)}${title}${group.length > 1 ? ` (${group.length} times)` : ""}`);
      const ids = new Set(group.map(({ spanId }) => spanId));
      draw(
        spans.filter(({ parentId }) => ids.has(parentId)),
        depth + 1,
      );
    }
  };
  const known = new Set(spans.map(({ spanId }) => spanId));
  draw(
    spans.filter(({ parentId }) => !known.has(parentId)),
    1,
  );
  return lines.join("\n");
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  if (process.argv.includes("--tier")) await showTier();
  else await showTraces();
}

async function showTraces(): Promise<void> {
  const { steps, spans } = await runExample();
  for (const { request, status, answer } of steps) {
    console.log(`${request.padEnd(24)} ${status} ${JSON.stringify(answer)}`);
  }
  console.log(`\nTraces:\n${drawTraces(spans)}`);
}

async function showTier(): Promise<void> {
  const { runTierExample } = await import("./tier.ts");
  const { staleReads } = await runTierExample((line) => console.log(line));
  console.log(`${staleReads.length} stale reads`);
  for (const fault of staleReads) console.log(fault);
  process.exitCode = staleReads.length === 0 ? 0 : 6;
}
