/** Row 4: reads that the process answers from its own memory. */
import type { Comparison, Row, Target } from "../comparison.ts";
import { emptyRow } from "../comparison.ts";
import type { LocalLoad } from "../load/local-load.ts";
import type { LocalCacheName } from "../local-cache.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, ratioRow } from "../pairs.ts";
import type { PeerName } from "../peers/catalog.ts";
import { isPresent, missingPeers } from "../peers/catalog.ts";
import { type RedisServer, startRedisServer } from "../peers/redis-server.ts";
import type { Child } from "../process/child.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";
import { targets } from "../targets.ts";

interface NearPeer {
  readonly name: LocalCacheName;
  readonly title: string;
  readonly needs: readonly PeerName[];
  readonly target?: Target;
}

const peers: readonly NearPeer[] = [
  {
    name: "redis",
    title: "node-redis client-side cache",
    needs: ["redis", "redis-server"],
    target: targets.nearHitOverRedis,
  },
  {
    name: "valkey-glide",
    title: "valkey-glide server-assisted cache",
    needs: ["valkey-glide", "valkey-server"],
    target: targets.nearHitOverGlide,
  },
  {
    name: "lru-cache",
    title: "awaited lru-cache",
    needs: ["lru-cache"],
    target: targets.nearHitOverLruCache,
  },
  { name: "bentocache", title: "bentocache L1", needs: ["bentocache"] },
];

const loadFile = new URL("../load/local-load.ts", import.meta.url);
const BUDGET_BYTES = 2 ** 30;

/** A process of the cache, filled. */
export async function openLocal(
  session: Session,
  name: LocalCacheName,
  address: string,
): Promise<Child<LocalLoad>> {
  // Otherwise the process of a fill that fails would keep the run alive.
  await using undo = new AsyncDisposableStack();
  const load = undo.use(session.start<LocalLoad>(name.endsWith("meshcache") ? "client" : "other", loadFile));
  await load.call("prepare", name, address, session.plan.nearEntries, session.plan.seed);
  undo.move();
  return load;
}

async function measure(session: Session, ours: Child<LocalLoad>, peer: NearPeer): Promise<Row> {
  const { plan } = session;
  await using server = await startServerOf(peer);
  session.step(`${peer.title}: filling`);
  await using theirs = await openLocal(session, peer.name, server ? `${LOOPBACK}:${server.port}` : "");
  const hits = async (load: Child<LocalLoad>, durationMs: number, round: number): Promise<number> =>
    (await load.call("hits", durationMs, plan.seed + round)).perSecond;
  for (const load of [ours, theirs]) {
    session.step(`${peer.title}: warm-up`);
    await hits(load, plan.warmUpMs, plan.pairs);
  }
  const pairs = await interleave(session, peer.title, {
    ours: (round) => hits(ours, plan.windowMs, round),
    peer: (round) => hits(theirs, plan.windowMs, round),
  });
  return ratioRow(
    {
      id: "4",
      name: "near-cache hits",
      unit: "gets/s",
      peerName: peer.title,
      ...(peer.target === undefined ? {} : { target: peer.target }),
      note: `one awaited after the other, zipfian over ${plan.nearEntries.toLocaleString("en")} copies of 100 B`,
    },
    pairs,
  );
}

async function startServerOf({ name }: NearPeer): Promise<RedisServer | undefined> {
  if (name === "valkey-glide") return startRedisServer(undefined, "valkey-server");
  return name === "redis" ? startRedisServer() : undefined;
}

export const nearHit: Comparison = {
  name: "near-hit",
  ids: ["4"],
  title:
    "near-cache hits, compared with the client-side caches of node-redis and valkey-glide, lru-cache and bentocache",
  needs: [],
  steps: (plan) => 1 + peers.filter(({ needs }) => needs.every(isPresent)).length * (3 + 2 * plan.pairs),
  async run(session) {
    await using server = await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES });
    session.step("filling");
    await using ours = await openLocal(session, "meshcache", `${LOOPBACK}:${server.port}`);
    const rows: Row[] = [];
    for (const peer of peers) {
      const missing = missingPeers(peer.needs);
      rows.push(
        missing.length > 0
          ? emptyRow("4", `near-cache hits ÷ ${peer.title}`, "skipped", missing.join("; "))
          : await measure(session, ours, peer),
      );
    }
    return rows;
  },
};
