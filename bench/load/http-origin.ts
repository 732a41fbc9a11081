/** An origin whose one response of 1 KB may be kept for an hour, and which counts its requests. */
import { once } from "node:events";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { LOOPBACK } from "../process/loopback.ts";
import { answerCalls } from "../process/worker.ts";

const BODY = Buffer.from(JSON.stringify({ name: "Ada", text: "x".repeat(997) }));
let requests = 0;

const server = createServer((_request, response) => {
  requests += 1;
  response.writeHead(200, {
    "content-type": "application/json",
    "content-length": BODY.length,
    "cache-control": "max-age=3600",
    etag: '"1"',
  });
  response.end(BODY);
});

const handlers = {
  /** Returns the port. */
  async listen(): Promise<number> {
    server.listen(0, LOOPBACK);
    await once(server, "listening");
    return (server.address() as AddressInfo).port;
  },

  /** How many it has answered. */
  async requests(): Promise<number> {
    return requests;
  },
};

export type HttpOrigin = typeof handlers;

answerCalls(handlers);
