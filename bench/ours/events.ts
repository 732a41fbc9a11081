/** meshcache's client as a subscriber. Each subscriber is a client with a connection of its own. */
import { bytes, MeshCache } from "../../src/index.ts";
import type { Publisher } from "../load/fan-out.ts";
import { NAMESPACE } from "./namespace.ts";

export async function openPublisher(address: string): Promise<Publisher> {
  const entries = new MeshCache({ address, nearCache: false }).namespace(NAMESPACE, { codec: bytes() });
  return { publish: (stamp) => entries.invalidate({ keys: [stamp] }) };
}

export async function subscribe(address: string, received: (stamp: string) => void): Promise<void> {
  const client = new MeshCache({ address, nearCache: false });
  const events = client.namespace(NAMESPACE, { codec: bytes() }).subscribe();
  const read = async (): Promise<void> => {
    for await (const event of events) {
      if (event.kind === "gap") throw new Error("a subscriber missed events");
      if (event.target === "key") received(event.name);
    }
  };
  void read();
  await events.isLive;
}
