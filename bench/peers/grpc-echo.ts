/** A minimal grpc-js server: it answers each unary call with the raw bytes of the request. */
import { Server, ServerCredentials } from "@grpc/grpc-js";
import { LOOPBACK } from "../process/loopback.ts";
import { answerCalls } from "../process/worker.ts";

const identity = (bytes: Buffer): Buffer => bytes;

const handlers = {
  /** Serves `path`. Returns the port. */
  async listen(path: string): Promise<number> {
    const server = new Server();
    server.addService(
      {
        echo: {
          path,
          requestStream: false,
          responseStream: false,
          requestSerialize: identity,
          requestDeserialize: identity,
          responseSerialize: identity,
          responseDeserialize: identity,
        },
      },
      {
        echo: (call: { request: Buffer }, answer: (error: null, response: Buffer) => void) =>
          answer(null, call.request),
      },
    );
    return await new Promise((resolve, reject) => {
      server.bindAsync(`${LOOPBACK}:0`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  },
};

export type GrpcEcho = typeof handlers;

answerCalls(handlers);
