/**
 * Proves over the network that a namespace notices nothing of its neighbours: `npm run proof:isolation [-- --entries N]
 * [--seconds N] [--accesses N]`. Fails when its hit ratio beside them differs by a point or more from that alone, when it
 * got no lease, or when one of its deletions was forgotten.
 *
 * First a namespace with a million entries, beside another that invalidates 8,000 tags a second, then 64 prefixes a second, and
 * then clears namespaces. Then a replay of a namespace whose entries have not all room, beside another with ten times its
 * operations: of entries, and of fences, leases, deletions and requests.
 */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { credentials } from "@grpc/grpc-js";
import { toColumns } from "../src/cli/output/text.ts";
import { createSeededRng } from "../src/common/random.ts";
import { createServiceClient, type ServiceClient } from "../src/rpc/client.ts";
import { startServerProcess } from "../test/fuzz/server-process.ts";
import { accessesOf, FLOOD, type Outcome, zipfian } from "../test/support/isolation.ts";
import {
  batch,
  floodOfEntries,
  floodOfRecords,
  type Operation,
  replayOverNetwork,
} from "../test/support/network-isolation.ts";

const { values } = parseArgs({
  options: {
    entries: { type: "string", default: "1000000" },
    seconds: { type: "string", default: "10" },
    accesses: { type: "string", default: "40000" },
    seed: { type: "string", default: "13" },
  },
});
const [entries, seconds, accessCount, seed] = [
  values.entries,
  values.seconds,
  values.accesses,
  values.seed,
].map(Number) as [number, number, number, number];

const POINT = 0.01;
/** What the traffic of the neighbour costs at least where nothing bounds it. */
const HARM = 0.05;
const SAMPLE = 20_000;
const TAGS_PER_SECOND = 8_000;
const PREFIXES_PER_SECOND = 64;
const CLEARS = 100;
const TICK_MS = 100;
const VALUE = Buffer.alloc(100, "v");
/** Not all that the victim of the replay asks for has room. */
const REPLAY_KEYS = 6_000;
const OWN_CONNECTION = { "grpc.use_local_subchannel_pool": 1, "grpc.max_receive_message_length": 8 << 20 };

const rows: string[][] = [];
let failed = 0;

function judge(beside: string, alone: Outcome, other: Outcome, note = ""): void {
  const holds =
    Math.abs(alone.hitRatio - other.hitRatio) < POINT &&
    other.leasesRefused === alone.leasesRefused &&
    other.deletionsForgotten === alone.deletionsForgotten;
  if (!holds) failed += 1;
  const percents = [alone, other].map(({ hitRatio }) => `${(100 * hitRatio).toFixed(2)} %`);
  const counts = [other.leasesRefused, other.deletionsForgotten].map(String);
  rows.push([beside, ...percents, ...counts, note, holds ? "" : "NOT ISOLATED"]);
  console.error(rows.at(-1)?.join("  "));
}

async function withServer(
  settings: readonly string[],
  namespaces: string,
  use: (connect: () => ServiceClient) => Promise<void>,
): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "meshcache-isolation-"));
  const file = join(folder, "settings.yaml");
  writeFileSync(file, `namespaces:\n${namespaces}`);
  const server = await startServerProcess(2, { settings: [...settings, "--config", file] });
  const clients: ServiceClient[] = [];
  try {
    await use(() => {
      const client = createServiceClient(
        `127.0.0.1:${server.port}`,
        credentials.createInsecure(),
        OWN_CONNECTION,
      );
      clients.push(client);
      return client;
    });
    if (server.ended !== undefined) throw new Error(server.ended);
  } finally {
    for (const client of clients) client.close();
    await server.stop();
    rmSync(folder, { recursive: true });
  }
}

const rng = createSeededRng(seed);

async function fill(client: ServiceClient): Promise<void> {
  for (let at = 0; at < entries; at += 1_000) {
    const sets = Array.from({ length: Math.min(1_000, entries - at) }, (_, index): Operation => {
      const key = at + index;
      return { case: "set", value: { key: `user:${key}`, value: VALUE, tags: [`team:${key % 5_000}`] } };
    });
    await batch(client, "users", sets);
  }
}

async function sampled(client: ServiceClient): Promise<Outcome> {
  const gets = Array.from({ length: SAMPLE }, (): Operation => {
    const key = Math.floor(rng.fraction() * entries);
    return { case: "get", value: { key: `user:${key}` } };
  });
  const results = await batch(client, "users", gets);
  const hits = results.filter(
    (result) => result.case === "get" && result.value.outcome.case === "hit",
  ).length;
  return { hitRatio: hits / SAMPLE, leasesRefused: 0, deletionsForgotten: 0 };
}

/** Sends so many operations a second, as far as the server takes them. Returns how many a second it took. */
async function paced(
  client: ServiceClient,
  perSecond: number,
  next: (index: number) => Operation,
): Promise<number> {
  const total = perSecond * seconds;
  const beganMs = performance.now();
  for (let sent = 0; sent < total; ) {
    const due = Math.min(total, Math.ceil(((performance.now() - beganMs + TICK_MS) * perSecond) / 1_000));
    const operations = Array.from({ length: due - sent }, (_, index) => next(sent + index));
    if (operations.length > 0) await batch(client, "import", operations);
    sent = due;
    const waitMs = (sent * 1_000) / perSecond - (performance.now() - beganMs);
    if (waitMs > 0 && sent < total) await pause(waitMs);
  }
  return (total * 1_000) / (performance.now() - beganMs);
}

const tagOf = (index: number): Operation => ({
  case: "invalidate",
  value: { target: { case: "tags", value: { tags: [`product:${index}`] } } },
});
const prefixOf = (index: number): Operation => ({
  case: "invalidate",
  value: { target: { case: "prefix", value: `product:${index}:` } },
});

async function proveLargeNamespace(): Promise<void> {
  const budgetMiB = Math.ceil((entries * 640) / 2 ** 20) + 64;
  await withServer(
    [`--store-budget-bytes=${budgetMiB}MiB`],
    "  other: { ceilingBytes: 8MiB }\n",
    async (connect) => {
      const [victim, neighbour] = [connect(), connect()];
      await fill(victim);
      const alone = await sampled(victim);
      for (const [name, perSecond, next] of [
        ["tags", TAGS_PER_SECOND, tagOf],
        ["prefixes", PREFIXES_PER_SECOND, prefixOf],
      ] as const) {
        const invalidating = paced(neighbour, perSecond, next);
        await sampled(victim);
        const tookPerSecond = await invalidating;
        const note = `${Math.round(tookPerSecond)} of ${perSecond} a second, ${seconds} s`;
        judge(`${entries} entries beside ${name} of another`, alone, await sampled(victim), note);
      }
      for (let index = 0; index < CLEARS; index += 1)
        await batch(neighbour, `deploy-${index}`, [
          { case: "set", value: { key: "k", value: VALUE } },
          { case: "invalidate", value: { target: { case: "all", value: true } } },
        ]);
      judge(`${entries} entries beside ${CLEARS} namespaces that are cleared`, alone, await sampled(victim));
    },
  );
}

async function replayed(
  budget: string,
  namespaces: string,
  flood?: (client: ServiceClient) => (accesses: number) => Promise<void>,
): Promise<Outcome> {
  const accesses = accessesOf(accessCount, REPLAY_KEYS, seed);
  let outcome: Outcome | undefined;
  await withServer([`--store-budget-bytes=${budget}`], namespaces, async (connect) => {
    outcome = await replayOverNetwork(connect(), "orders", accesses, flood?.(connect()));
  });
  if (outcome === undefined) throw new Error("there was no replay");
  return outcome;
}

async function proveReplay(): Promise<void> {
  const entriesFlood = (client: ServiceClient) =>
    floodOfEntries(client, "flood", FLOOD, zipfian(50_000, createSeededRng(seed)));
  const recordsFlood = (client: ServiceClient) => floodOfRecords(client, "flood", FLOOD);
  const floored = "  orders: { floorBytes: 1MiB, ceilingBytes: 1MiB }\n";
  const alone = await replayed("4MiB", floored);
  const exposed = await replayed("4MiB", "  unused: { ceilingBytes: 1MiB }\n", entriesFlood);
  console.error(`without bounds its hit ratio is ${(100 * exposed.hitRatio).toFixed(2)} %`);
  if (exposed.hitRatio > alone.hitRatio - HARM) throw new Error("this traffic of a neighbour does no harm");
  judge(
    "a replay with a floor, beside ten times its traffic",
    alone,
    await replayed("4MiB", floored, entriesFlood),
  );
  const capped = "  flood: { ceilingBytes: 1MiB }\n";
  const roomy = await replayed("6MiB", capped);
  judge(
    "a replay without one, beside traffic with a ceiling",
    roomy,
    await replayed("6MiB", capped, entriesFlood),
  );
  judge(
    "a replay beside ten times its fences, leases and deletions",
    roomy,
    await replayed("6MiB", capped, recordsFlood),
  );
}

console.error(`seed ${seed}`);
await proveLargeNamespace();
await proveReplay();
const head = ["", "alone", "beside", "leases refused", "deletions forgotten", "", ""];
console.log(toColumns([head, ...rows], [1, 2, 3, 4]).join("\n"));
if (failed > 0) {
  console.error(`${failed} of ${rows.length} neighbours are noticed`);
  process.exitCode = 1;
}
