/** Row 7: one event to a thousand subscribers, each on a connection of its own. */
import type { Comparison } from "../comparison.ts";
import type { FanOutKind } from "../load/fan-out.ts";
import type { PublisherLoad } from "../load/publisher.ts";
import type { SubscribersLoad } from "../load/subscribers.ts";
import { startMeshcacheServer } from "../ours/server.ts";
import { interleave, type Pair, ratioRow } from "../pairs.ts";
import { startRedisServer } from "../peers/redis-server.ts";
import { LOOPBACK } from "../process/loopback.ts";
import type { Session } from "../session.ts";
import { percentile } from "../statistics.ts";
import { targets } from "../targets.ts";

interface Window {
  readonly p50Ms: number;
  readonly p99Ms: number;
}

interface FanOutSide extends AsyncDisposable {
  measure(events: number): Promise<Window>;
}

const publisherFile = new URL("../load/publisher.ts", import.meta.url);
const subscribersFile = new URL("../load/subscribers.ts", import.meta.url);
const BUDGET_BYTES = 2 ** 28;
/** The pause between two events, so that each is sent over idle connections. */
const PAUSE_MS = 20;

async function openSide(session: Session, kind: FanOutKind): Promise<FanOutSide> {
  await using undo = new AsyncDisposableStack();
  const server =
    kind === "meshcache"
      ? undo.use(await startMeshcacheServer(session, { budgetBytes: BUDGET_BYTES }))
      : undo.use(await startRedisServer());
  const address = `${LOOPBACK}:${server.port}`;
  const role = kind === "meshcache" ? "client" : "other";
  const subscribers = undo.use(session.start<SubscribersLoad>(role, subscribersFile));
  const publisher = undo.use(session.start<PublisherLoad>("other", publisherFile));
  session.step(`${kind}: connecting ${session.plan.subscribers.toLocaleString("en")} subscribers`);
  await subscribers.call("subscribe", kind, address, session.plan.subscribers);
  await publisher.call("connect", kind, address);
  const kept = undo.move();
  return {
    async measure(events) {
      const latencies: number[] = [];
      for (let event = 0; event < events; event++) {
        const stamp = await publisher.call("publish");
        latencies.push(...(await subscribers.call("delivered", stamp)));
        await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
      }
      return { p50Ms: percentile(latencies, 50) / 1000, p99Ms: percentile(latencies, 99) / 1000 };
    },
    [Symbol.asyncDispose]: () => kept.disposeAsync(),
  };
}

export const fanOut: Comparison = {
  name: "fan-out",
  ids: ["7"],
  title: "one event to 1,000 subscribers, compared with Redis pub/sub",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 4 + 2 * plan.pairs,
  async run(session) {
    await using ours = await openSide(session, "meshcache");
    await using peer = await openSide(session, "redis");
    const { eventsPerWindow, subscribers, warmUpMs } = session.plan;
    for (const side of [ours, peer]) {
      session.step("warm-up");
      const warmAtMs = performance.now() + warmUpMs;
      while (performance.now() < warmAtMs) await side.measure(1);
    }
    const pairs = await interleave(session, "events", {
      ours: () => ours.measure(eventsPerWindow),
      peer: () => peer.measure(eventsPerWindow),
    });
    const row = (percent: "p50" | "p99", pick: (window: Window) => number) =>
      ratioRow(
        {
          id: "7",
          name: `fan-out to ${subscribers.toLocaleString("en")} subscribers, ${percent}`,
          unit: "ms",
          peerName: "Redis pub/sub, ioredis",
          target: percent === "p50" ? targets.fanOutP50 : targets.fanOutP99,
          note: "from publish to receipt; a connection each, all in one process",
        },
        pairs.map((pair: Pair<Window>) => ({ ours: pick(pair.ours), peer: pick(pair.peer) })),
      );
    return [row("p50", (window) => window.p50Ms), row("p99", (window) => window.p99Ms)];
  },
};
