/** A worker thread's part: attaches the store, runs one server over it, and does what the main thread orders. */
import type { MessagePort } from "node:worker_threads";
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { systemRng } from "../../common/random.ts";
import type { StoreMessage } from "../../store/api/threads.ts";
import { attachStore } from "../../store/engine/create-store.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { maintainStore } from "../maintenance.ts";
import { type CacheServer, createCacheServer } from "../server.ts";
import type { Order, Report, ThreadData } from "./messages.ts";
import { attachBounds } from "./shared-bounds.ts";

export interface ServerThreadOptions {
  readonly data: ThreadData;
  /** The thread's own port to the main thread. */
  readonly port: MessagePort;
  readonly telemetry: Telemetry;
  /** What is left to do when the server has ended, before the thread does. Must not reject. */
  readonly finish?: () => Promise<void>;
}

/** Returns when the thread can take orders. What throws here or later ends the whole process. */
export function runServerThread({ data, port, telemetry, finish }: ServerThreadOptions): void {
  const { thread, peers, limits, transport, acceleration, startedMs } = data;
  const store = attachStore(data.store, {
    clock: systemClock,
    rng: systemRng,
    threads: {
      self: thread,
      count: peers.length,
      send: (to, message) => peers[to]?.postMessage(message),
    },
  });
  const { guard } = createBoundary((error) => {
    telemetry.logger.error({ err: error }, "a message of another thread was not taken");
  });
  const receive = guard(undefined, (message: StoreMessage) => store.receive(message));
  for (const peer of peers) {
    // The orders keep the thread alive, and nothing else.
    peer?.on("message", receive).unref();
  }

  // One of the threads does it for all of them, until none of their servers is left.
  const stopMaintenance = thread === 0 ? maintainStore(store, systemClock, telemetry.logger) : undefined;
  let server: CacheServer | undefined;
  const obey = async (order: Order): Promise<Report> => {
    switch (order.kind) {
      case "listen":
        server = createCacheServer(
          { store, listen: order.listen, limits, transport, acceleration, telemetry },
          {
            bounds: attachBounds(data.bounds, thread, transport),
            startedMs,
            sharesPort: true,
            alone: false,
          },
        );
        return server.start().then((address) => ({ kind: "listening", address }), toRefusal);
      case "drain":
        await server?.drain();
        return { kind: "drained" };
      case "end":
        stopMaintenance?.();
        await server?.close();
        await finish?.();
        return { kind: "ended" };
      default:
        return order satisfies never;
    }
  };
  const report = (what: Report) => port.postMessage(what);
  port.on("message", (order: Order) => void obey(order).then(report));
  report({ kind: "ready" });
}

function toRefusal(error: unknown): Report {
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  return { kind: "refused", code, message: error instanceof Error ? error.message : String(error) };
}
