/** Redis pub/sub by ioredis, with one connection for each subscriber. */
import { Redis } from "ioredis";
import type { Publisher } from "../load/fan-out.ts";

const CHANNEL = "events";

export async function openPublisher(address: string): Promise<Publisher> {
  const client = new Redis(`redis://${address}`, { lazyConnect: true });
  await client.connect();
  return { publish: (stamp) => client.publish(CHANNEL, stamp) };
}

export async function subscribe(address: string, received: (stamp: string) => void): Promise<void> {
  const client = new Redis(`redis://${address}`, { lazyConnect: true });
  await client.connect();
  client.on("message", (_channel: string, stamp: string) => received(stamp));
  await client.subscribe(CHANNEL);
}
