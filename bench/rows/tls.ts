/** Rows 1t, 10 and 11: what TLS costs, beside what it costs ioredis and redis-server. */
import type { Comparison, Row } from "../comparison.ts";
import type { ClosedLoopWindow } from "../load/closed-loop.ts";
import type { RemoteLoad } from "../load/remote-load.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import { cpuMicros } from "../process/cpu-time.ts";
import { LOOPBACK } from "../process/loopback.ts";
import { residentBytes } from "../process/resident-memory.ts";
import { makeTlsFiles, type ServerFiles } from "../process/tls-files.ts";
import type { RemoteClientName } from "../remote-cache.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";
import { fillSides, openRemoteSide, type RemoteSide } from "./remote-side.ts";

const VALUE_BYTES = 100;
/** Four servers hold them at the same time. */
const ENTRIES_MAX = 200_000;
const IN_FLIGHT = [64, 512];
const BUDGET_BYTES = 2 ** 29;
const FIRST_WARM_UP_MIN_MS = 2_000;
const HANDSHAKE_LANES = 16;
const IDLE_CONNECTIONS = 1_000;
const NEEDS = ["redis-server", "ioredis"] as const;

const loadFile = new URL("../load/remote-load.ts", import.meta.url);

/** A window of each side, encrypted and in the clear. */
interface FourWindows {
  readonly clear: Pair<ClosedLoopWindow>;
  readonly encrypted: Pair<ClosedLoopWindow>;
}

export const remoteGetTls: Comparison = {
  name: "remote-get-tls",
  ids: ["1t"],
  title: "gets of 100 B over TLS, compared with ioredis and redis-server over TLS, beside both in the clear",
  needs: NEEDS,
  steps: (plan) => 4 + IN_FLIGHT.length * 4 * (1 + plan.pairs),
  async run(session) {
    const { plan } = session;
    using files = makeTlsFiles();
    await using undo = new AsyncDisposableStack();
    const open = async (client: RemoteClientName, tls?: ServerFiles): Promise<RemoteSide> =>
      undo.use(await openRemoteSide(session, client, BUDGET_BYTES, { tls }));
    const clear = { ours: await open("meshcache"), peer: await open("ioredis") };
    const encrypted = { ours: await open("meshcache", files), peer: await open("ioredis", files) };
    const sides = [clear.ours, clear.peer, encrypted.ours, encrypted.peer];
    const entries = Math.min(plan.entries, ENTRIES_MAX);
    await fillSides(session, sides, entries, VALUE_BYTES);
    const rows: Row[] = [];
    for (const inFlight of IN_FLIGHT)
      rows.push(...rowsOf(inFlight, entries, await measureGets(session, inFlight, clear, encrypted)));
    return rows;
  },
};

/** All four sides in turns, so that each figure is of the same minute. */
async function measureGets(
  session: Session,
  inFlight: number,
  clear: Pair<RemoteSide>,
  encrypted: Pair<RemoteSide>,
): Promise<readonly FourWindows[]> {
  const { plan } = session;
  const label = `${inFlight} in flight`;
  const load = (side: RemoteSide, durationMs: number, round: number): Promise<ClosedLoopWindow> => {
    const seed = plan.seed + round;
    const shape = { operation: "get", inFlight, distribution: "zipfian", durationMs, seed } as const;
    return side.load.call("closedLoop", shape);
  };
  for (const side of [clear.ours, clear.peer, encrypted.ours, encrypted.peer]) {
    session.step(`${label}: warm-up`);
    await load(side, Math.max(plan.warmUpMs, FIRST_WARM_UP_MIN_MS), plan.pairs);
  }
  const both = async (pair: Pair<RemoteSide>, round: number): Promise<Pair<ClosedLoopWindow>> => {
    session.step(label);
    const ours = await load(pair.ours, plan.windowMs, round);
    session.step(label);
    return { ours, peer: await load(pair.peer, plan.windowMs, round) };
  };
  const windows: FourWindows[] = [];
  for (let round = 0; round < plan.pairs; round++)
    windows.push({ clear: await both(clear, round), encrypted: await both(encrypted, round) });
  return windows;
}

function rowsOf(inFlight: number, entries: number, windows: readonly FourWindows[]): Row[] {
  const over = ({ ours, peer }: Pair<ClosedLoopWindow>): number => ours.perSecond / peer.perSecond;
  const note = `${entries.toLocaleString("en")} entries, zipfian`;
  return [
    ratioRow(
      {
        id: "1t",
        name: `gets of 100 B ÷ ioredis, over TLS ÷ in the clear, ${inFlight} in flight`,
        unit: "×",
        peerName: "the same in the clear",
        target: targets.tlsOverPlaintext,
        note,
      },
      windows.map(({ clear, encrypted }) => ({ ours: over(encrypted), peer: over(clear) })),
    ),
    ratioRow(
      {
        id: "1t",
        name: `gets of 100 B over TLS, ${inFlight} in flight`,
        unit: "gets/s",
        peerName: "ioredis over TLS",
        note,
      },
      windows.map(({ encrypted: { ours, peer } }) => ({ ours: ours.perSecond, peer: peer.perSecond })),
    ),
  ];
}

interface HandshakeWindow {
  readonly perSecond: number;
  /** Of the server, for each handshake. */
  readonly serverMicros: number;
}

export const tlsHandshakes: Comparison = {
  name: "tls-handshakes",
  ids: ["10"],
  title: "TLS handshakes, compared with redis-server",
  needs: ["redis-server"],
  steps: (plan) => 2 + 2 * plan.pairs,
  async run(session) {
    const { plan } = session;
    using files = makeTlsFiles();
    await using ours = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES, tls: files });
    await using peer = await startRedisServer(files);
    await using load = session.start<RemoteLoad>("other", loadFile);
    const measure = async (
      server: { readonly pid: number; readonly port: number },
      protocols: readonly string[],
      durationMs: number,
    ): Promise<HandshakeWindow> => {
      const before = cpuMicros(server.pid);
      const shape = { port: server.port, ca: files.ca, protocols, concurrent: HANDSHAKE_LANES, durationMs };
      const { perSecond, completed } = await load.call("handshakes", shape);
      return { perSecond, serverMicros: (cpuMicros(server.pid) - before) / completed };
    };
    const ofOurs = (durationMs: number) => measure(ours, ["h2"], durationMs);
    const ofPeer = (durationMs: number) => measure(peer, [], durationMs);
    for (const warmUp of [ofOurs, ofPeer]) {
      session.step("warm-up");
      await warmUp(plan.warmUpMs);
    }
    const pairs = await interleave(session, "handshakes", {
      ours: () => ofOurs(plan.windowMs),
      peer: () => ofPeer(plan.windowMs),
    });
    const common = { id: "10", peerName: "redis-server", note: "P-256, TLS 1.3, one client process" };
    return [
      ratioRow(
        { ...common, name: "TLS handshakes", unit: "handshakes/s" },
        pairs.map(({ ours: one, peer: other }) => ({ ours: one.perSecond, peer: other.perSecond })),
      ),
      ratioRow(
        { ...common, name: "server CPU a TLS handshake", unit: "µs", better: "lower" },
        pairs.map(({ ours: one, peer: other }) => ({ ours: one.serverMicros, peer: other.serverMicros })),
      ),
    ];
  },
};

export const tlsMemory: Comparison = {
  name: "tls-memory",
  ids: ["11"],
  title: "memory of a connection over TLS, compared with redis-server",
  needs: NEEDS,
  steps: (plan) => 4 * plan.pairs,
  async run(session) {
    using files = makeTlsFiles();
    const rows: Row[] = [];
    for (const tls of [files, undefined]) {
      const label = tls === undefined ? "in the clear" : "over TLS";
      const pairs = await interleave(session, label, {
        ours: () => bytesOfConnection(session, "meshcache", tls),
        peer: () => bytesOfConnection(session, "ioredis", tls),
      });
      rows.push(
        ratioRow(
          {
            id: "11",
            name: `memory of the server for an idle connection ${label}`,
            unit: "B",
            peerName: "redis-server",
            better: "lower",
            note: `${IDLE_CONNECTIONS.toLocaleString("en")} clients; growth of the process's VmRSS`,
          },
          pairs,
        ),
      );
    }
    return rows;
  },
};

/** In a new server each time. */
async function bytesOfConnection(
  session: Session,
  client: RemoteClientName,
  tls: ServerFiles | undefined,
): Promise<number> {
  await using server =
    client === "meshcache"
      ? await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES, tls })
      : await startRedisServer(tls);
  await using load = session.start<RemoteLoad>("other", loadFile);
  const address = `${LOOPBACK}:${server.port}`;
  // What the first connections cost once is not theirs.
  await load.call("connectIdle", client, address, IDLE_CONNECTIONS / 10, tls?.ca);
  const before = residentBytes(server.pid);
  await load.call("connectIdle", client, address, IDLE_CONNECTIONS, tls?.ca);
  return (residentBytes(server.pid) - before) / IDLE_CONNECTIONS;
}
