/** The interface between the two processes of a fan-out: subscribers, and events that carry their send time. */

export type FanOutKind = "meshcache" | "redis";

/** The monotonic clock, which all processes of a machine share. It is the name of the event. */
export function stampNow(): string {
  return process.hrtime.bigint().toString();
}

export function microsSince(stamp: string): number {
  return Number(process.hrtime.bigint() - BigInt(stamp)) / 1000;
}

export interface Publisher {
  publish(stamp: string): Promise<unknown>;
}

export async function openPublisher(kind: FanOutKind, address: string): Promise<Publisher> {
  return kind === "meshcache"
    ? (await import("../ours/events.ts")).openPublisher(address)
    : (await import("../peers/redis-pubsub.ts")).openPublisher(address);
}

/** Opens a subscription on a connection of its own. Resolves when it is live. */
export type Subscribe = (address: string, received: (stamp: string) => void) => Promise<void>;

export async function subscriberOf(kind: FanOutKind): Promise<Subscribe> {
  return kind === "meshcache"
    ? (await import("../ours/events.ts")).subscribe
    : (await import("../peers/redis-pubsub.ts")).subscribe;
}
