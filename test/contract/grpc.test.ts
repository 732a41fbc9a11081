/** The service contract over real gRPC with a client generated from the proto. */
import { afterAll, beforeAll } from "vitest";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { createGrpcCalls } from "./grpc-calls.ts";
import { describeService } from "./service-contract.ts";

let running: RunningServer;

beforeAll(async () => {
  running = await startServer();
});
afterAll(() => running.stop());

describeService("a generated client", () => createGrpcCalls(running.client));
