/** meshcache's invalidation stream through plain grpc-js clients, one connection a subscriber. */
import { credentials } from "@grpc/grpc-js";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient } from "../../src/wire/service-client.ts";
import type { Publisher } from "../load/fan-out.ts";
import { namespace } from "./namespace.ts";

const readyTimeoutMs = 10_000;
/** Without it the streams of one process would share a connection. */
const ownConnection = { "grpc.use_local_subchannel_pool": 1 };

export async function openPublisher(address: string): Promise<Publisher> {
  const client = createServiceClient(address, credentials.createInsecure(), ownConnection);
  await client.ready(readyTimeoutMs);
  return {
    publish: (stamp) =>
      client.unary(CacheService.method.invalidate, {
        namespace,
        target: { case: "keys", value: { keys: [stamp] } },
      }),
  };
}

export function subscribe(address: string, received: (stamp: string) => void): Promise<void> {
  const client = createServiceClient(address, credentials.createInsecure(), ownConnection);
  return new Promise((resolve, reject) => {
    const stream = client.serverStream(CacheService.method.stream, { namespace });
    stream.on("error", reject);
    stream.on("data", ({ frame }) => {
      if (frame.case === "progress") resolve();
      if (frame.case === "gap") reject(new Error("a subscriber missed events"));
      if (frame.case !== "events") return;
      for (const event of frame.value.events) {
        if (event.target.case === "key") received(event.target.value);
      }
    });
  });
}
