/**
 * Runs the example: a gRPC service, two services that call it through the interceptor, and a cache, each a process of its own.
 *
 *   npm run example:responses [-- --trace web07.trace.gz] [-- --calls 20000]
 *
 * The trace has one access of an object in each four bytes, big-endian. Without it, users are drawn by Zipf's law.
 */
import { type ChildProcess, fork } from "node:child_process";
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { gunzipSync } from "node:zlib";
import { drawTraces } from "../run.ts";
import type { Report, SpanReport } from "../tracing.ts";
import type { Called, Done, Order, Replayed } from "./users.ts";

export interface Step {
  readonly caller: string;
  readonly call: string;
  readonly name: string;
  readonly mark: string;
  readonly tookMs: number;
}

export interface Load {
  /** By both callers. */
  readonly calls: number;
  readonly servedCalls: number;
  readonly tookMs: number;
  readonly answers: Replayed;
}

export interface ResponsesStory {
  readonly steps: readonly Step[];
  readonly spans: readonly SpanReport[];
  readonly uncached: Load;
  readonly cached: Load;
}

class Part {
  /** Where it listens, once it does. */
  readonly address: Promise<string>;
  readonly #child: ChildProcess;
  #done = Promise.withResolvers<unknown>();

  constructor(file: string, args: readonly string[], spans: SpanReport[]) {
    const { promise, resolve, reject } = Promise.withResolvers<string>();
    this.address = promise;
    this.#child = fork(fileURLToPath(new URL(file, import.meta.url)), [...args], { execArgv: [] });
    this.#child.on("message", (message: Report | Done) => {
      if (message.kind === "span") spans.push(message.span);
      else if (message.kind === "listening") resolve(message.address);
      else this.#done.resolve(message.result);
    });
    this.#child.once("exit", (code) => {
      const error = new Error(`${file} ended with ${code}`);
      reject(error);
      this.#done.promise.catch(() => {});
      this.#done.reject(error);
    });
  }

  /** One at a time. */
  async ask<Result>(order: Order): Promise<Result> {
    this.#done = Promise.withResolvers();
    this.#child.send(order);
    return (await this.#done.promise) as Result;
  }

  kill(): void {
    this.#child.kill();
  }
}

export async function runResponsesExample(userIds: readonly number[]): Promise<ResponsesStory> {
  const parts: Part[] = [];
  const spans: SpanReport[] = [];
  const steps: Step[] = [];
  const start = async (file: string, ...args: string[]): Promise<[Part, string]> => {
    const part = new Part(file, args, spans);
    parts.push(part);
    return [part, await part.address];
  };
  try {
    const [, cache] = await start("../cache.ts");
    const [service, address] = await start("./service.ts");
    const [shop] = await start("./caller.ts", "shop", cache, address);
    const [billing] = await start("./caller.ts", "billing", cache, address);
    const step = async (caller: string, call: string, order: Order): Promise<void> => {
      const { user, mark, tookMs } = await (caller === "shop" ? shop : billing).ask<Called>(order);
      steps.push({ caller, call, name: user.name, mark, tookMs });
    };
    const userId = 0;
    await step("shop", "GetUser", { kind: "get", userId });
    await step("shop", "GetUser", { kind: "get", userId });
    await step("billing", "GetUser", { kind: "get", userId });
    await step("billing", "RenameUser", { kind: "rename", userId, name: "Ada" });
    await shop.ask({ kind: "sync" });
    await step("shop", "GetUser", { kind: "get", userId });
    const load = async (cached: boolean): Promise<Load> => {
      const before = await service.ask<number>({ kind: "calls" });
      const startedMs = performance.now();
      const [even = {}, odd = {}] = await Promise.all(
        [shop, billing].map((one, at) =>
          one.ask<Replayed>({
            kind: "replay",
            cached,
            userIds: userIds.filter((_, index) => index % 2 === at),
          }),
        ),
      );
      const tookMs = performance.now() - startedMs;
      const servedCalls = (await service.ask<number>({ kind: "calls" })) - before;
      return { calls: userIds.length, servedCalls, tookMs, answers: sumOf(even, odd) };
    };
    const uncached = await load(false);
    const cached = await load(true);
    return { steps, spans: spansOf(steps, spans), uncached, cached };
  } finally {
    for (const part of parts) part.kill();
  }
}

/** Those of the steps: the calls of the load have no span of their callers. */
function spansOf(steps: readonly Step[], spans: readonly SpanReport[]): readonly SpanReport[] {
  const names = new Set(steps.map(({ call }) => call));
  const roots = spans.filter(({ name, parentId }) => parentId === "" && names.has(name));
  const traces = new Set(roots.map(({ traceId }) => traceId));
  return spans.filter(({ traceId }) => traces.has(traceId));
}

function sumOf(left: Replayed, right: Replayed): Replayed {
  const marks = new Set([...Object.keys(left), ...Object.keys(right)]);
  return Object.fromEntries([...marks].map((mark) => [mark, (left[mark] ?? 0) + (right[mark] ?? 0)]));
}

/** The users that a trace asks for. */
export function readAccesses(file: string, most: number): number[] {
  const bytes = gunzipSync(readFileSync(file));
  const count = Math.min(most, Math.floor(bytes.length / 4));
  return Array.from({ length: count }, (_, index) => bytes.readUInt32BE(index * 4));
}

/** The same each time. The user of rank r is asked for about as often as 1 / r. */
export function drawUsers(count: number, users: number): number[] {
  let state = 1;
  return Array.from({ length: count }, () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor(users ** (state / 2 ** 32)) - 1;
  });
}

function print({ steps, spans, uncached, cached }: ResponsesStory): void {
  for (const { caller, call, name, mark, tookMs } of steps)
    console.log(
      `${caller.padEnd(8)}${call.padEnd(12)}${name.padEnd(8)}${mark.padEnd(13)}${tookMs.toFixed(1)} ms`,
    );
  console.log(`\nTraces:\n${drawTraces(spans)}\n`);
  const line = (title: string, { calls, servedCalls, tookMs }: Load): string =>
    `${title.padEnd(19)}${calls} calls, ${servedCalls} of them by the service, in ${(tookMs / 1_000).toFixed(1)} s`;
  console.log(line("without the cache:", uncached));
  console.log(line("with it:", cached));
  const { near = 0, remote = 0 } = cached.answers;
  const share = (part: number): string => `${((100 * part) / cached.calls).toFixed(1)} %`;
  console.log(`hit ratio:         ${share(near + remote)}, ${share(near)} from memory`);
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { values } = parseArgs({ options: { trace: { type: "string" }, calls: { type: "string" } } });
  const calls = Number(values.calls ?? 5_000);
  print(
    await runResponsesExample(
      values.trace === undefined ? drawUsers(calls, 2_000) : readAccesses(values.trace, calls),
    ),
  );
}
