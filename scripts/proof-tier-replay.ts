/**
 * Replays web07 through two clients with near caches over three servers of one tier. On the way the server of one client is killed, then
 * that of the other one drained: the rest of the trace goes to the third. Fails for a stale read. Needs web07.trace.gz in MESHCACHE_TRACES.
 * `--engine redis|valkey` (those that are installed), `--limit N` replays so many accesses.
 */
import { parseArgs } from "node:util";
import { EngineCluster } from "../test/support/engine/engine-cluster.ts";
import { ENGINES, type Engine, requireEngine } from "../test/support/engine/programs.ts";
import { type ServerProcess, startServerProcess, stopServerProcess } from "../test/support/server-process.ts";
import { TwoClients } from "./restarts/two-clients.ts";
import { readWeb07 } from "./restarts/web07.ts";

const NODES = 3;
const SERVERS = 3;
/** After a third of the trace, and after the second one. */
const ENDS = [
  { what: "killed", signal: "SIGKILL" },
  { what: "drained", signal: "SIGTERM" },
] as const;

const { values } = parseArgs({ options: { engine: { type: "string" }, limit: { type: "string" } } });
const engines = ENGINES.filter((engine) => engine === (values.engine ?? engine) && requireEngine(engine));
if (engines.length === 0) throw new Error(`--engine must be one of ${ENGINES.join(", ")}, and installed`);
const { trace, accesses } = await readWeb07(values.limit);
if (accesses < trace.accesses) console.log(`A reduced run: ${accesses} of ${trace.accesses} accesses.`);

for (const engine of engines) if (!(await isCoherent(engine))) process.exitCode = 1;

async function isCoherent(engine: Engine): Promise<boolean> {
  await using cluster = await EngineCluster.start({ engine, primaries: NODES });
  const tier = `valkey://${cluster.addresses.join(",")}`;
  const start = () => startServerProcess(["--tier", tier, "--admin", "off", "--log-level", "warn"]);
  const servers = await Promise.all(Array.from({ length: SERVERS }, start));
  console.log(`${engine}: servers ${servers.map(({ address }) => address).join(", ")}`);
  const [first = "", ...others] = servers.map(({ address }) => address);
  // They begin at different servers, and know of all.
  const clients = new TwoClients([first, ...others], [...others, first]);
  try {
    const beganMs = performance.now();
    await replayOverEnds(clients, servers);
    tell(clients, performance.now() - beganMs);
  } finally {
    await clients.close();
    for (const { child } of servers) child.kill("SIGKILL");
  }
  return clients.counts.stale + clients.counts.wrong === 0;
}

/** Ends first a server that the reader is on, then one that the writer is on. */
async function replayOverEnds(clients: TwoClients, servers: readonly ServerProcess[]): Promise<void> {
  const [writer, reader] = clients.caches;
  const ends = ENDS.map((end, index) => ({ ...end, of: [reader, writer][index] ?? reader }));
  let begun = 0;
  let ending: Promise<void> = Promise.resolve();
  await clients.replay(trace, accesses, () => {
    const end = ends[begun];
    const done = clients.counts.accesses;
    if (end === undefined || done < ((begun + 1) * accesses) / (ends.length + 1)) return;
    const { address } = end.of.stats().connection;
    const server = servers.find((one) => one.address === address);
    // Between two connections it is at none: after a later access.
    if (server === undefined) return;
    begun += 1;
    console.log(`  ${end.what} ${address} (${end.signal}) after ${done} of ${accesses} accesses`);
    ending = ending.then(() => stopServerProcess(server, end.signal));
    // It is told of below: until then nobody waits for it.
    ending.catch(() => {});
  });
  await ending;
  if (begun < ends.length) throw new Error("the trace ended before each server was ended");
}

function tell({ counts, failedReads, gaps }: TwoClients, tookMs: number): void {
  const { reads, near, remote, loader, stale, wrong, keyWrites, tagWrites } = counts;
  const share = (part: number): string => `${((100 * part) / reads).toFixed(2)} %`;
  console.log(
    `  ${reads} reads, ${keyWrites + tagWrites} writes in ${Math.round(tookMs / 1_000)} s: ` +
      `hits ${share(near + remote)} (${near} near, ${remote} remote), ${loader} loads; ` +
      `${gaps.join(" and ")} gaps; ${failedReads} failed reads, asked again; ${stale + wrong} stale reads`,
  );
}
