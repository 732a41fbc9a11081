/** Rows 17n, 17v and 17i: hits of the HTTP proxy beside nginx and Varnish, each on the same one core, and the memory of its idle connections. */
import type { Comparison, Row } from "../comparison.ts";
import { type HttpLatencyWindow, runHttpLatency, runHttpLoad } from "../load/http-load.ts";
import type { HttpOrigin } from "../load/http-origin.ts";
import type { IdleConnections } from "../load/idle-connections.ts";
import { startProxyProcess } from "../ours/http-proxy.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, loneRow, type Pair, ratioRow } from "../pairs.ts";
import { type HttpCacheName, startHttpCache } from "../peers/http-caches.ts";
import { LOOPBACK } from "../process/loopback.ts";
import { pinTree, treeCpuMicros } from "../process/process-tree.ts";
import { residentBytes } from "../process/resident-memory.ts";
import type { Session } from "../session.ts";
import { median } from "../statistics.ts";
import { targets } from "../targets.ts";

const CONNECTIONS = 64;
const BUDGET_BYTES = 2 ** 28;
/** That of the caches. */
const CORE = 0;
const LOAD_CORE = 1;
const IDLE_CONNECTIONS = 5_000;
const originFile = new URL("../load/http-origin.ts", import.meta.url);
const idleFile = new URL("../load/idle-connections.ts", import.meta.url);

interface Server {
  readonly pid: number;
  readonly port: number;
}

interface HitWindow {
  readonly perSecond: number;
  readonly microsOfCpu: number;
}

export const httpHitsOverNginx = hitsOver("nginx", "nginx", "17n");
export const httpHitsOverVarnish = hitsOver("varnish", "Varnish", "17v");

function hitsOver(peerName: HttpCacheName, title: string, id: string): Comparison {
  return {
    name: `http-hits-${peerName}`,
    ids: [id],
    title: `HTTP hits of 1 KB through \`meshcache proxy\`, compared with ${title}`,
    needs: [peerName, "h2load"],
    steps: (plan) => 2 + 4 * plan.pairs,
    async run(session) {
      await using sides = await startSides(session, peerName);
      const { ours, peer } = sides;
      const hits = await measureHits(session, ours, peer);
      const latencies = await measureLatencies(session, { ours, peer }, hits);
      await sides.checkHits();
      return rowsOf({ id, peerName: title, note: NOTE }, hits, latencies);
    },
  };
}

const NOTE = `${CONNECTIONS} connections of h2load on another core`;

interface Sides extends AsyncDisposable {
  readonly ours: Server;
  readonly peer: Server;
  /** Throws where an answer was no hit. */
  checkHits(): Promise<void>;
}

async function startSides(session: Session, peerName: HttpCacheName): Promise<Sides> {
  await using undo = new AsyncDisposableStack();
  const cache = undo.use(await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES }));
  const origin = undo.use(session.start<HttpOrigin>("other", originFile));
  const originPort = await origin.call("listen");
  const ours = undo.use(await startProxyProcess(session, { originPort, cachePort: cache.port }));
  const peer = undo.use(await startHttpCache(peerName, originPort));
  for (const server of [ours, peer]) {
    // What is asked for first is no hit.
    for (const _ of [1, 2]) await (await fetch(`http://${LOOPBACK}:${server.port}/`)).arrayBuffer();
    pinTree(server.pid, CORE);
  }
  const misses = await origin.call("requests");
  const kept = undo.move();
  return {
    ours,
    peer,
    checkHits: async () => {
      if ((await origin.call("requests")) > misses) throw new Error("the origin was asked by a hit");
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

async function measureHits(
  session: Session,
  ours: Server,
  peer: Server,
): Promise<readonly Pair<HitWindow>[]> {
  const { plan } = session;
  const measure = async ({ pid, port }: Server, durationMs: number): Promise<HitWindow> => {
    const beforeMicros = treeCpuMicros(pid);
    const { perSecond } = await runHttpLoad({ ...shapeOf(port), durationMs });
    const requests = (perSecond * durationMs) / 1_000;
    return { perSecond, microsOfCpu: (treeCpuMicros(pid) - beforeMicros) / requests };
  };
  for (const server of [ours, peer]) {
    session.step("warm-up");
    await measure(server, plan.warmUpMs);
  }
  return interleave(session, "hits", {
    ours: () => measure(ours, plan.windowMs),
    peer: () => measure(peer, plan.windowMs),
  });
}

/** Each at half of what it has answered. */
function measureLatencies(
  session: Session,
  { ours, peer }: Pair<Server>,
  hits: readonly Pair<HitWindow>[],
): Promise<readonly Pair<HttpLatencyWindow>[]> {
  const halfOf = (side: keyof Pair<HitWindow>) => median(hits.map((pair) => pair[side].perSecond)) / 2;
  const measure = ({ port }: Server, perSecond: number) =>
    runHttpLatency({ ...shapeOf(port), durationMs: session.plan.windowMs }, perSecond);
  return interleave(session, "hits at half load", {
    ours: () => measure(ours, halfOf("ours")),
    peer: () => measure(peer, halfOf("peer")),
  });
}

const shapeOf = (port: number) => ({
  url: `http://${LOOPBACK}:${port}/`,
  connections: CONNECTIONS,
  core: LOAD_CORE,
});

function rowsOf(
  common: { readonly id: string; readonly peerName: string; readonly note: string },
  hits: readonly Pair<HitWindow>[],
  latencies: readonly Pair<HttpLatencyWindow>[],
): Row[] {
  const each = <Window>(pairs: readonly Pair<Window>[], of: (window: Window) => number) =>
    pairs.map(({ ours, peer }) => ({ ours: of(ours), peer: of(peer) }));
  const onCore = `${common.note}, both caches on one core`;
  return [
    ratioRow(
      {
        ...common,
        name: "HTTP hits of 1 KB",
        unit: "requests/s",
        target: targets.httpHits,
        note: onCore,
      },
      each(hits, ({ perSecond }) => perSecond),
    ),
    ratioRow(
      { ...common, name: "CPU of an HTTP hit of 1 KB", unit: "µs", better: "lower", note: onCore },
      each(hits, ({ microsOfCpu }) => microsOfCpu),
    ),
    ratioRow(
      {
        ...common,
        name: "p99 of an HTTP hit of 1 KB, each at half of its load",
        unit: "µs",
        target: targets.httpHitP99,
      },
      each(latencies, ({ p99Micros }) => p99Micros),
    ),
  ];
}

export const httpIdle: Comparison = {
  name: "http-idle",
  ids: ["17i"],
  title: `memory of ${IDLE_CONNECTIONS.toLocaleString("en")} idle connections of \`meshcache proxy\``,
  needs: [],
  steps: (plan) => plan.pairs,
  async run(session) {
    await using cache = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES });
    await using origin = session.start<HttpOrigin>("other", originFile);
    const originPort = await origin.call("listen");
    const bytes: number[] = [];
    for (let round = 0; round < session.plan.pairs; round += 1) {
      session.step("idle connections");
      await using proxy = await startProxyProcess(session, { originPort, cachePort: cache.port });
      await using clients = session.start<IdleConnections>("other", idleFile);
      // What a connection needs once is not of each.
      await clients.call("open", proxy.port, 1);
      const beforeBytes = residentBytes(proxy.pid);
      await clients.call("open", proxy.port, IDLE_CONNECTIONS);
      bytes.push((residentBytes(proxy.pid) - beforeBytes) / IDLE_CONNECTIONS);
      const alive = await clients.call("alive");
      if (alive < IDLE_CONNECTIONS) throw new Error(`${IDLE_CONNECTIONS - alive} connections have ended`);
    }
    return [
      loneRow(
        {
          id: "17i",
          name: "memory of the proxy for an idle HTTP connection",
          unit: "B",
          judged: "B",
          target: targets.httpIdleBytes,
          note: `${IDLE_CONNECTIONS.toLocaleString("en")} connections that have asked once; growth of the process's VmRSS`,
        },
        bytes,
      ),
    ];
  },
};
