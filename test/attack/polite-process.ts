/**
 * A polite client: 200 Gets a second over one connection, whatever the server does: `node polite-process.ts PORT SECONDS`. It
 * writes 1,000 tagged entries and takes a lease before that. Prints how long the Gets took from when they were due, how
 * many failed, how many found no entry, and whether the lease was lost.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LeaseResponseSchema } from "../../gen/meshcache/v1/cache_pb.ts";
import { decodeMessage } from "../../src/codec/messages.ts";
import { connectRaw, type RawConnection, unframed } from "../support/raw-grpc.ts";
import * as request from "./requests.ts";

const { PATHS } = request;
const [port, seconds = 0] = process.argv.slice(2).map(Number);
const GAP_MS = 5;
const ANSWER_MAX_MS = 20_000;
const ENTRIES = 1_000;
const LEASE_MS = 60_000;
const namespace = "polite";
const value = Buffer.alloc(100);
const bodies = Array.from({ length: ENTRIES }, (_, index) => request.get(namespace, `k${index}`));
const latenciesMs: number[] = [];
let failed = 0;
let missed = 0;
let raw: Promise<RawConnection> | undefined;

async function ask(index: number, dueMs: number): Promise<void> {
  try {
    raw ??= connectRaw(`127.0.0.1:${port}`);
    const body = bodies[index % ENTRIES] ?? Buffer.alloc(0);
    const answer = await (await raw).call(PATHS.get, body);
    if (answer.grpcStatus !== 0) throw new Error(`status ${answer.grpcStatus}`);
    if (answer.body.length <= value.length) missed += 1;
  } catch {
    failed += 1;
    raw = undefined;
  }
  latenciesMs.push(performance.now() - dueMs);
}

/** Its own token, so that clients do not wait for each other's leases. */
async function takeLease(connected: RawConnection, key: string): Promise<bigint> {
  const { body } = await connected.call(PATHS.lease, request.lease(namespace, key, 0, LEASE_MS));
  const { outcome } = decodeMessage(LeaseResponseSchema, unframed(body)[0] ?? new Uint8Array());
  return outcome.case === "granted" ? outcome.value.token : 0n;
}

async function keepsLease(key: string, token: bigint): Promise<boolean> {
  const connected = await connectRaw(`127.0.0.1:${port}`);
  const held = connected.call(PATHS.lease, request.lease(namespace, key, 0, LEASE_MS));
  const { outcome } = decodeMessage(LeaseResponseSchema, unframed((await held).body)[0] ?? new Uint8Array());
  connected.close();
  return token !== 0n && outcome.case === "held";
}

const connected = await connectRaw(`127.0.0.1:${port}`);
const operations = Array.from(
  { length: ENTRIES },
  (_, index): request.Operation => ({
    operation: { case: "set", value: { namespace, key: `k${index}`, value, tags: ["polite", `t${index}`] } },
  }),
);
await connected.call(PATHS.batch, request.batch({ operations }));
await connected.call(PATHS.set, request.set({ namespace, key: "key", value }));
const leased = `leased by ${process.pid}`;
const token = await takeLease(connected, leased);
raw = Promise.resolve(connected);
const beginMs = performance.now();
const asked: Promise<void>[] = [];
for (let index = 0; index < (1_000 * seconds) / GAP_MS; index++) {
  const dueMs = beginMs + index * GAP_MS;
  const waitMs = dueMs - performance.now();
  if (waitMs > 0) await pause(waitMs);
  asked.push(ask(index, dueMs));
}
await Promise.race([Promise.all(asked), pause(ANSWER_MAX_MS)]);
const unanswered = asked.length - latenciesMs.length;
for (let index = 0; index < unanswered; index++) latenciesMs.push(ANSWER_MAX_MS);
latenciesMs.sort((one, other) => one - other);
const at = (share: number) =>
  latenciesMs[Math.min(latenciesMs.length - 1, Math.floor(share * latenciesMs.length))] ?? 0;
const lostLease = !(await Promise.race([keepsLease(leased, token), pause(ANSWER_MAX_MS, false)]));
const result = {
  p50Ms: at(0.5),
  p99Ms: at(0.99),
  maxMs: at(1),
  failedShare: (failed + unanswered) / asked.length,
  missedShare: missed / asked.length,
  lostLease,
};
process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
