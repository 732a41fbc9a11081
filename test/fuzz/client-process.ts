/**
 * A process with clients whose connections are mutated: `node client-process.ts PORT SEED`. It uses every
 * operation of the clients, and expects values or CacheErrors. Any other error ends it, as it would end a
 * service.
 */
import { setTimeout as pause } from "node:timers/promises";
import { createSeededRng } from "../../src/common/random.ts";
import { CacheError, json, MeshCache, text } from "../../src/index.ts";
import { testCredentials, withTestTls } from "../support/test-tls.ts";
import { below, pick } from "./mutations.ts";

const [port, seed] = process.argv.slice(2).map(Number);
const rng = createSeededRng(seed ?? 0);
const SESSION_MAX_MS = 1_500;
const totals = { sessions: 0, answers: 0, refusals: 0, faults: 0 };

async function session(): Promise<void> {
  const cache = new MeshCache({
    address: `127.0.0.1:${port}`,
    deadlineMs: 200,
    leaseMs: 1_000,
    pingMs: 50,
    backoffMinMs: 1,
    backoffMaxMs: 20,
    ...(rng.fraction() < 0.25 ? { credentials: testCredentials } : withTestTls),
  });
  const values = cache.namespace("fuzz", { codec: json<unknown>(), ttlMs: 60_000 });
  const texts = cache.namespace("fuzz-text", { codec: text(), ttlMs: 100, staleMs: 1_000 });
  const events = values.subscribe();
  const listening = (async () => {
    for await (const _ of events) totals.answers += 0;
  })();
  const untilMs = performance.now() + SESSION_MAX_MS;
  const operations = [
    () => values.set(`k${below(rng, 5)}`, { at: 1 }, { tags: ["t"] }),
    () => values.get(`k${below(rng, 5)}`),
    () => values.getMany(["k1", "k2", "k3"]),
    () => values.getOrLoad(`k${below(rng, 5)}`, async () => ({ loaded: true })),
    () => texts.getOrLoad("page", async () => "x".repeat(below(rng, 100_000))),
    () => values.invalidate({ tags: ["t"] }),
    () => values.invalidate({ prefix: "k" }),
    () => cache.sync(),
  ];
  while (performance.now() < untilMs) {
    const calls = Array.from({ length: 1 + below(rng, 8) }, () => pick(rng, operations)());
    for (const { status, ...settled } of await Promise.allSettled<unknown>(calls)) {
      if (status === "fulfilled") totals.answers += 1;
      else if ("reason" in settled && settled.reason instanceof CacheError) totals.refusals += 1;
      else throw "reason" in settled ? settled.reason : new Error("a call settled without a reason");
    }
    await pause(below(rng, 5));
  }
  totals.faults += cache.stats().connection.faults;
  await cache.close({ graceMs: 10 });
  await listening;
  totals.sessions += 1;
}

const ends = Date.now() + 1_000 * Number(process.argv[4] ?? "10");
while (Date.now() < ends) await Promise.all([session(), session(), session()]);
process.stdout.write(`${JSON.stringify(totals)}\n`);
process.exit(0);
