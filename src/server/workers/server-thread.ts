/** The worker's side of a server thread: attaches the store, runs one server over it and carries out the main thread's orders. */
import type { MessagePort } from "node:worker_threads";
import { systemClock } from "../../common/clock.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import { isHttpPortError } from "../http-port.ts";
import { maintainStore } from "../maintenance.ts";
import { type CacheServer, createCacheServer } from "../server.ts";
import { openInquiryChannel } from "./inquiry-channel.ts";
import type { Order, Report, ThreadData } from "./messages.ts";
import { attachBounds } from "./shared-bounds.ts";
import { attachThreadStore } from "./thread-store.ts";

export interface ServerThreadOptions {
  readonly data: ThreadData;
  /** The thread's own port to the main thread. The orders keep the thread alive, and nothing else does. */
  readonly port: MessagePort;
  readonly telemetry: Telemetry;
  /** Runs after the server has closed and before the thread ends. Must not reject. */
  readonly finish?: () => Promise<void>;
}

/** Returns when the thread takes orders. An error here, or from an order, ends the whole process. */
export function runServerThread({ data, port, telemetry, finish }: ServerThreadOptions): void {
  const { thread, peers, limits, transport, acceleration, security, snapshot, startedMs, workers, facts } =
    data;
  const store = attachThreadStore(data.store, thread, peers, telemetry.logger);
  // One thread maintains the store for all of them, until it is told to end: by then all servers have drained.
  const stopMaintenance = thread === 0 ? maintainStore(store, systemClock, telemetry.logger) : undefined;
  const inquiry = openInquiryChannel(data.inquiryChannel, workers, systemClock, telemetry.logger);
  let server: CacheServer | undefined;
  const carryOut = async (order: Order): Promise<Report> => {
    switch (order.kind) {
      case "listen":
        server = createCacheServer(
          {
            store,
            listen: order.listen,
            ...(order.http && { http: order.http }),
            limits,
            transport,
            acceleration,
            security,
            snapshot,
            telemetry,
            facts,
          },
          {
            bounds: attachBounds(data.bounds, thread, transport),
            securityMemory: data.securityMemory,
            startedMs,
            sharesPort: true,
            alone: false,
            worker: thread,
            workers,
            inquiryOf: (respond) => inquiry.answering(respond),
          },
        );
        return listen(server);
      case "drain":
        await server?.drain();
        return { kind: "drained" };
      case "end":
        stopMaintenance?.();
        inquiry.close();
        await server?.close();
        await finish?.();
        return { kind: "ended" };
      default:
        return order satisfies never;
    }
  };
  const send = (report: Report) => port.postMessage(report);
  port.on("message", (order: Order) => void carryOut(order).then(send));
  send({ kind: "ready" });
}

async function listen(server: CacheServer): Promise<Report> {
  try {
    const address = await server.start();
    return { kind: "listening", address, httpAddress: server.httpAddress };
  } catch (error) {
    const port = isHttpPortError(error) ? "http" : "listen";
    const code = error instanceof Error && "code" in error ? String(error.code) : "";
    return { kind: "refused", port, code, message: error instanceof Error ? error.message : String(error) };
  }
}
