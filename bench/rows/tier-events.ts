/** Row 19e: an event of one server on the shared tier to a subscriber of another. */
import type { Comparison } from "../comparison.ts";
import type { FanOutKind } from "../load/fan-out.ts";
import type { PublisherLoad } from "../load/publisher.ts";
import type { SubscribersLoad } from "../load/subscribers.ts";
import { startEngine, startTierServer } from "../ours/tier.ts";
import { interleave, ratioRow } from "../pairs.ts";
import type { Child } from "../process/child.ts";
import type { Session } from "../session.ts";
import { percentile } from "../statistics.ts";
import { targets } from "../targets.ts";

interface EventSide {
  readonly publisher: Child<PublisherLoad>;
  readonly subscriber: Child<SubscribersLoad>;
}

/** The pause between two events, so that each is sent over idle connections. */
const EVENT_PAUSE_MS = 20;

async function openEventSide(
  session: Session,
  kind: FanOutKind,
  addresses: { readonly publish: string; readonly subscribe: string },
): Promise<EventSide & AsyncDisposable> {
  await using undo = new AsyncDisposableStack();
  const role = kind === "meshcache" ? "client" : "other";
  const subscriber = undo.use(
    session.start<SubscribersLoad>(role, new URL("../load/subscribers.ts", import.meta.url)),
  );
  const publisher = undo.use(
    session.start<PublisherLoad>("other", new URL("../load/publisher.ts", import.meta.url)),
  );
  await subscriber.call("subscribe", kind, addresses.subscribe, 1);
  await publisher.call("connect", kind, addresses.publish);
  const kept = undo.move();
  return { publisher, subscriber, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

async function deliveryP50Ms({ publisher, subscriber }: EventSide, events: number): Promise<number> {
  const latencies: number[] = [];
  for (let event = 0; event < events; event++) {
    latencies.push(...(await subscriber.call("delivered", await publisher.call("publish"))));
    await new Promise((resolve) => setTimeout(resolve, EVENT_PAUSE_MS));
  }
  return percentile(latencies, 50) / 1_000;
}

export const tierEvents: Comparison = {
  name: "tier-events",
  ids: ["19e"],
  title: "an event of one server on the shared tier to a subscriber of another, compared with Redis pub/sub",
  needs: ["redis-server", "ioredis"],
  steps: (plan) => 2 + 2 * plan.pairs,
  async run(session) {
    const { eventsPerWindow, warmUpMs } = session.plan;
    await using engine = await startEngine();
    await using first = await startTierServer(session, engine);
    await using second = await startTierServer(session, engine);
    await using ours = await openEventSide(session, "meshcache", {
      publish: first.address,
      subscribe: second.address,
    });
    await using peer = await openEventSide(session, "redis", {
      publish: engine.address,
      subscribe: engine.address,
    });
    for (const side of [ours, peer]) {
      session.step("warm-up");
      const warmAtMs = performance.now() + warmUpMs;
      while (performance.now() < warmAtMs) await deliveryP50Ms(side, 1);
    }
    const pairs = await interleave(session, "events", {
      ours: () => deliveryP50Ms(ours, eventsPerWindow),
      peer: () => deliveryP50Ms(peer, eventsPerWindow),
    });
    const row = ratioRow(
      {
        id: "19e",
        name: "an event from one server of a tier to a subscriber of another, p50",
        unit: "ms",
        peerName: "Redis pub/sub, ioredis",
        target: targets.tierEventP50,
        note: "from publish to receipt, one subscriber",
      },
      pairs,
    );
    return [row];
  },
};
