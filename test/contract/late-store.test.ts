/** The service contract of a server on a store that answers later. */
import { afterAll, beforeAll } from "vitest";
import { createStore } from "../../src/store/engine/create-store.ts";
import { createLateStore } from "../support/late-store.ts";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { createGrpcCalls } from "./grpc-calls.ts";
import { describeService } from "./service-contract.ts";

let running: RunningServer;

beforeAll(async () => {
  running = await startServer({ store: createLateStore(createStore()) });
});
afterAll(() => running.stop());

describeService("a generated client, on a store that answers later", () => createGrpcCalls(running.client));
