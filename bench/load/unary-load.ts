/** Unary calls from grpc-js, used when h2load is not installed. This generator is not faster than the server. */
import { Client, credentials } from "@grpc/grpc-js";
import { answerCalls } from "../process/worker.ts";
import { CONNECTIONS, STREAMS_PER_CONNECTION } from "./unary-shape.ts";

const identity = (bytes: Buffer): Buffer => bytes;

let clients: readonly Client[] = [];

const handlers = {
  connect(address: string): void {
    const ownConnection = { "grpc.use_local_subchannel_pool": 1 };
    clients = Array.from(
      { length: CONNECTIONS },
      () => new Client(address, credentials.createInsecure(), ownConnection),
    );
  },

  /** In calls per second. */
  async run(path: string, message: Uint8Array, durationMs: number): Promise<number> {
    const request = Buffer.from(message);
    let running = true;
    let calls = 0;
    const call = (client: Client): Promise<void> =>
      new Promise((resolve, reject) => {
        client.makeUnaryRequest(path, identity, identity, request, (error) =>
          error ? reject(error) : resolve(),
        );
      });
    const lane = async (client: Client): Promise<void> => {
      while (running) {
        await call(client);
        calls++;
      }
    };
    const startedMs = performance.now();
    setTimeout(() => {
      running = false;
    }, durationMs);
    await Promise.all(
      clients.flatMap((client) => Array.from({ length: STREAMS_PER_CONNECTION }, () => lane(client))),
    );
    return calls / ((performance.now() - startedMs) / 1000);
  },
};

export type UnaryLoad = typeof handlers;

answerCalls(handlers);
