/** The process with all subscribers, each on a connection of its own. It measures when they receive events. */
import { answerCalls } from "../process/worker.ts";
import { type FanOutKind, microsSince, subscriberOf } from "./fan-out.ts";

interface Delivery {
  readonly latencies: Float64Array;
  received: number;
  readonly complete: PromiseWithResolvers<void>;
}

const DELIVERY_TIMEOUT_MS = 10_000;
const CONNECT_AT_ONCE = 50;

const deliveries = new Map<string, Delivery>();
let subscribers = 0;

function deliveryOf(stamp: string): Delivery {
  const known = deliveries.get(stamp);
  if (known !== undefined) return known;
  const fresh = {
    latencies: new Float64Array(subscribers),
    received: 0,
    complete: Promise.withResolvers<void>(),
  };
  deliveries.set(stamp, fresh);
  return fresh;
}

function received(stamp: string): void {
  const delivery = deliveryOf(stamp);
  delivery.latencies[delivery.received++] = microsSince(stamp);
  if (delivery.received === subscribers) delivery.complete.resolve();
}

const handlers = {
  async subscribe(kind: FanOutKind, address: string, count: number): Promise<void> {
    const subscribe = await subscriberOf(kind);
    subscribers = count;
    for (let at = 0; at < count; at += CONNECT_AT_ONCE) {
      const batch = Math.min(CONNECT_AT_ONCE, count - at);
      await Promise.all(Array.from({ length: batch }, () => subscribe(address, received)));
    }
  },

  /** Resolves when all subscribers have the event: for each, the microseconds from publish to receipt. */
  async delivered(stamp: string): Promise<Float64Array> {
    const delivery = deliveryOf(stamp);
    const late = setTimeout(
      () =>
        delivery.complete.reject(new Error(`${delivery.received} of ${subscribers} subscribers received`)),
      DELIVERY_TIMEOUT_MS,
    );
    await delivery.complete.promise;
    clearTimeout(late);
    deliveries.delete(stamp);
    return delivery.latencies;
  },
};

export type SubscribersLoad = typeof handlers;

answerCalls(handlers);
