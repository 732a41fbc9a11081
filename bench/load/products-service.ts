/** The process of the service whose responses are cached. */
import { setTimeout as delay } from "node:timers/promises";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import { LOOPBACK } from "../process/loopback.ts";
import { answerCalls } from "../process/worker.ts";
import { loadProducts, type Product, type ProductRequest, productOf } from "./products.ts";

let takesMs = 0;

const handlers = {
  /** Returns the port. */
  async listen(): Promise<number> {
    const server = new Server();
    server.addService(loadProducts(), {
      GetProduct: async (call: ServerUnaryCall<ProductRequest, Product>, answer: sendUnaryData<Product>) => {
        if (takesMs > 0) await delay(takesMs);
        answer(null, productOf(call.request));
      },
    });
    return await new Promise((resolve, reject) => {
      server.bindAsync(`${LOOPBACK}:0`, ServerCredentials.createInsecure(), (error, port) =>
        error ? reject(error) : resolve(port),
      );
    });
  },

  /** How long each call takes from now on. */
  takes(ms: number): void {
    takesMs = ms;
  },
};

export type ProductsService = typeof handlers;

answerCalls(handlers);
