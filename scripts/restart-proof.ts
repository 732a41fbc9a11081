/**
 * Restarts a real server under real clients: `npm run proof:restarts`. A trace is replayed without a restart, with ten in order,
 * and with ten kills; then the example application with fifty API processes reads while its server is restarted ten times. Fails
 * for a stale read, a gap after a restart in order, more or less than one gap for each client and kill, a hit ratio that moved
 * by more than a point, a read that failed, or slow ones outside of restarts. Needs web07.trace.gz in MESHCACHE_TRACES.
 * `--server FILE` starts this executable, such as that of `npm run build:binary`, instead of the bundled command. `--limit N`
 * replays so many accesses, `--restarts N` restarts as often, and `--clients N` starts so many API processes.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { p99OutsideMs, useOverRestarts } from "./restarts/example.ts";
import { type Replayed, replayOverRestarts } from "./restarts/replay.ts";
import { longestMs, RestartedServer } from "./restarts/restarted-server.ts";
import { readWeb07 } from "./restarts/web07.ts";
import { wholeNumber } from "./whole-number.ts";

const SLOW_MS = 50;
const WHOLE = { restarts: 10, clients: 50 };

const { values } = parseArgs({
  options: {
    server: { type: "string" },
    limit: { type: "string" },
    restarts: { type: "string", default: `${WHOLE.restarts}` },
    clients: { type: "string", default: `${WHOLE.clients}` },
  },
});
const { trace, accesses } = await readWeb07(values.limit);
const restarts = wholeNumber("restarts", values.restarts);
const clients = wholeNumber("clients", values.clients);
const folder = mkdtempSync(join(tmpdir(), "meshcache-restarts-"));

const faults: string[] = [];
const must = (holds: boolean, what: string): void => {
  if (!holds) faults.push(what);
};
const percent = (share: number): string => `${(100 * share).toFixed(2)} %`;
const startServer = (name: string) => RestartedServer.start(folder, name, values.server);
const tell = (title: string, ...parts: readonly string[]): void =>
  console.log(`${title.padEnd(24)} ${parts.join(" · ")}`);

async function replay(title: string, signal: NodeJS.Signals | undefined): Promise<Replayed> {
  const count = signal && { signal, count: restarts };
  const replayed = await replayOverRestarts(await startServer(signal ?? "none"), trace, accesses, count);
  const { hitRatio, nearRatio, reads, stale, gaps, outages } = replayed;
  const ratios = `hit ratio ${percent(hitRatio)}, ${percent(nearRatio)} near, of ${reads} reads`;
  const away = outages.length === 0 ? [] : [`away for at most ${longestMs(outages)} ms`];
  tell(title, ratios, `${stale} stale`, `${gaps.join(" and ")} gaps`, ...away);
  must(outages.length === (signal === undefined ? 0 : restarts), `${title}: there were ${outages.length}`);
  return replayed;
}

async function replays(): Promise<void> {
  const none = await replay("no restart", undefined);
  must(none.stale === 0, "a read was stale without a restart");
  const clean = await replay(`${restarts} restarts in order`, "SIGTERM");
  must(clean.stale === 0, "a read was stale over a restart in order");
  must(
    clean.gaps.every((count) => count === 0),
    "a restart in order was a gap",
  );
  must(Math.abs(clean.hitRatio - none.hitRatio) <= 0.01, "the hit ratio moved by more than a point");
  must(clean.nearRatio >= none.nearRatio - 0.01, "near caches lost copies over a restart in order");
  const killed = await replay(`${restarts} kills`, "SIGKILL");
  must(killed.stale === 0, "a read was stale after a kill");
  must(
    killed.gaps.every((count) => count === restarts),
    "a kill was not one gap for each client",
  );
}

async function example(): Promise<void> {
  const used = await useOverRestarts(await startServer("example"), clients, restarts);
  const p99Ms = p99OutsideMs(used);
  tell(
    `${clients} APIs, ${restarts} restarts`,
    `${used.reads.length} reads of ${used.writes} acknowledged writes`,
    `${used.failed} failed, ${used.stale} stale`,
    `p99 ${p99Ms.toFixed(1)} ms outside of restarts`,
    `away for at most ${longestMs(used.outages)} ms`,
  );
  must(used.failed === 0, "a read failed although its source did not");
  must(used.stale === 0, "a read was stale by more than the lease");
  must(p99Ms < SLOW_MS, "reads outside of restarts were slow");
}

const isWhole = accesses === trace.accesses && restarts >= WHOLE.restarts && clients >= WHOLE.clients;
if (!isWhole) console.log(`A reduced run: ${accesses} of ${trace.accesses} accesses.`);
const beganMs = performance.now();
try {
  await replays();
  await example();
} finally {
  rmSync(folder, { recursive: true });
}
console.log(`in ${Math.round((performance.now() - beganMs) / 1_000)} s`);
for (const fault of faults) console.error(fault);
process.exitCode = faults.length === 0 ? 0 : 1;
