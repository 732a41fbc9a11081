/**
 * A polite client: 200 Gets a second over one connection, whatever the server does: `node polite-process.ts PORT SECONDS`.
 * Prints how long they took from when they were due, and how many failed.
 */
import { setTimeout as pause } from "node:timers/promises";
import { connectRaw, type RawConnection } from "../support/raw-grpc.ts";
import * as request from "./requests.ts";

const [port, seconds = 0] = process.argv.slice(2).map(Number);
const GAP_MS = 5;
const ANSWER_MAX_MS = 20_000;
const body = request.get("polite", "key");
const latenciesMs: number[] = [];
let failed = 0;
let raw: Promise<RawConnection> | undefined;

async function ask(dueMs: number): Promise<void> {
  try {
    raw ??= connectRaw(`127.0.0.1:${port}`);
    const { grpcStatus } = await (await raw).call(request.PATHS.get, body);
    if (grpcStatus !== 0) throw new Error(`status ${grpcStatus}`);
  } catch {
    failed += 1;
    raw = undefined;
  }
  latenciesMs.push(performance.now() - dueMs);
}

const connected = await connectRaw(`127.0.0.1:${port}`);
await connected.call(
  request.PATHS.set,
  request.set({ namespace: "polite", key: "key", value: Buffer.alloc(100) }),
);
raw = Promise.resolve(connected);
const beginMs = performance.now();
const asked: Promise<void>[] = [];
for (let index = 0; index < (1_000 * seconds) / GAP_MS; index++) {
  const dueMs = beginMs + index * GAP_MS;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await pause(waitMs);
  asked.push(ask(dueMs));
}
await Promise.race([Promise.all(asked), pause(ANSWER_MAX_MS)]);
const unanswered = asked.length - latenciesMs.length;
for (let index = 0; index < unanswered; index++) latenciesMs.push(ANSWER_MAX_MS);
latenciesMs.sort((one, other) => one - other);
const at = (share: number) =>
  latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(share * latenciesMs.length))] ?? 0;
const result = { p50Ms: at(0.5), p99Ms: at(0.99), maxMs: at(1), failed: failed + unanswered };
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
