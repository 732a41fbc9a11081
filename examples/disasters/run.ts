/**
 * The disasters: `npm run example:disasters`. Kills, stops, cuts off and replaces processes of a small mesh while users read,
 * and says in a sentence each what they saw. Ends with 1 when a user saw a wrong value, or a process ended by itself.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LEASE_MS } from "./promise.ts";
import { UNEXPECTED_ENDS } from "./service.ts";
import { type Api, type Seen, World } from "./world.ts";

const world = await World.start();
const seconds = (ms: number) => `${(ms / 1_000).toFixed(1)} s`;

function tell(sentence: string, { reads, failed, slowestMs, near, databaseReads }: Seen): void {
  const failures = failed === 0 ? "none failed" : `${failed} failed`;
  const nearShare = Math.round((100 * near) / Math.max(1, reads));
  console.log(
    `${sentence}\n    ${reads} reads, ${failures}; ${nearShare} % from the process's own copies, ` +
      `${databaseReads} reads of the database; the slowest took ${seconds(slowestMs)}.`,
  );
}

function api(at: number): Api {
  const found = world.apis[at];
  if (found === undefined) throw new Error(`there is no API ${at}`);
  return found;
}

/** How long until a read of the process sees this version. */
async function msUntilSeen(reader: Api, version: number): Promise<number> {
  const begunAtMs = performance.now();
  for (;;) {
    const seen = await world.read(reader, "row-0").catch(() => undefined);
    if (seen !== undefined && seen.version >= version) return performance.now() - begunAtMs;
    await pause(5);
  }
}

async function normalLife(): Promise<void> {
  await pause(1_000);
  const version = await world.write();
  const ms = await Promise.all(world.apis.map((one) => msUntilSeen(one, version)));
  tell(
    `Nothing happened yet. A row was written, and all three APIs had the new one ${seconds(Math.max(...ms))} later.`,
    world.look(),
  );
}

async function serverKilled(): Promise<void> {
  await world.endServer("SIGKILL");
  await pause(1_500);
  tell("The cache server was killed. The APIs read from the database.", world.look());
  await world.startServer();
  await pause(1_000);
  tell(
    "The cache server was started again, and is empty. Its clients came back by themselves.",
    world.look(),
  );
}

async function apiKilled(): Promise<void> {
  await world.replaceApi(api(0));
  await pause(500);
  tell(
    "An API process was killed and another one took its place. It took the rows from the cache, not from the database.",
    world.look(),
  );
}

async function apiStopped(): Promise<void> {
  const stopped = api(1);
  stopped.service.signal("SIGSTOP");
  await pause(LEASE_MS + 1_000);
  const version = await world.write();
  stopped.service.signal("SIGCONT");
  const ms = await msUntilSeen(stopped, version);
  tell(
    `An API process stood still for ${seconds(LEASE_MS + 1_000)} (SIGSTOP). A row was written meanwhile, and its first answers ` +
      `took ${seconds(ms)} to be new: it knew that its copies were too old to trust.`,
    world.look(),
  );
}

async function loaderKilled(): Promise<void> {
  const key = "slow-row";
  const holder = api(2);
  holder.service.ask({ kind: "read", key, slowly: true }).catch(() => undefined);
  await pause(200);
  const waiting = world.read(api(0), key);
  await pause(200);
  const killedAtMs = performance.now();
  const replaced = world.replaceApi(holder);
  await waiting;
  const ms = performance.now() - killedAtMs;
  await replaced;
  tell(
    `An API process was loading a row for the whole mesh when it was killed. Who waited for this row had it ${seconds(ms)} later.`,
    world.look(),
  );
}

async function writerCutOff(): Promise<void> {
  world.writerNetwork.cut();
  const writing = world.write();
  await pause(2_000);
  world.writerNetwork.state = "open";
  const backAtMs = performance.now();
  const version = await writing;
  await Promise.all(world.apis.map((one) => msUntilSeen(one, version)));
  tell(
    "The writer was cut off from the cache for 2.0 s while it wrote a row. The row was new everywhere " +
      `${seconds(performance.now() - backAtMs)} after the network was back.`,
    world.look(),
  );
}

async function halfOpenNetwork(): Promise<void> {
  const silent = api(1);
  silent.network.state = "silent";
  const version = await world.write();
  const ms = await msUntilSeen(silent, version);
  await pause(1_500);
  silent.network.state = "open";
  await pause(800);
  tell(
    `The network of an API process swallowed everything, without an error, for ${seconds(ms + 1_500)}. It had a row that was ` +
      `written meanwhile after ${seconds(ms)}: it noticed the silence, and asked the database.`,
    world.look(),
  );
}

async function serverReplaced(): Promise<void> {
  await world.endServer("SIGTERM");
  await world.startServer();
  await pause(1_000);
  tell("The cache server was replaced by a new one, in order (SIGTERM).", world.look());
}

console.log("Three APIs, a writer, a database that is 20 ms away. Six users read ten rows all the time.\n");
for (const disaster of [
  normalLife,
  serverKilled,
  apiKilled,
  apiStopped,
  loaderKilled,
  writerCutOff,
  halfOpenNetwork,
  serverReplaced,
]) {
  await disaster();
}
await world.end();

console.log("\nWhat the clients of the cache told their applications:");
for (const [message, count] of world.events) console.log(`    ${count} × ${message}`);
const { wrong } = world.check;
for (const { key, version, expected } of wrong.slice(0, 10)) {
  console.log(
    `WRONG: ${key} was read in version ${version}, and version ${expected} had been acknowledged long before`,
  );
}
for (const end of UNEXPECTED_ENDS) console.log(`WRONG: ${end}`);
const isFine = wrong.length === 0 && UNEXPECTED_ENDS.length === 0;
console.log(
  isFine
    ? `\nNo user saw a value older than ${seconds(LEASE_MS)} after its invalidation was acknowledged, and no process failed.`
    : "\nThe promise was broken.",
);
process.exitCode = isFine ? 0 : 1;
