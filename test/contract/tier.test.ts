/** The service contract of servers on the shared tier: of one server, and of three of which each call goes to the next one. */
import { afterAll, beforeAll, describe } from "vitest";
import { describeEngines, type SuiteEngine } from "../support/engine/describe-engines.ts";
import { startTierServers, type TierServers } from "../support/tier-server.ts";
import { createGrpcCalls } from "./grpc-calls.ts";
import { describeService } from "./service-contract.ts";

function describeTier(engine: SuiteEngine, count: number): void {
  let servers: TierServers;
  beforeAll(async () => {
    servers = await startTierServers(engine.cluster.addresses, count);
  });
  afterAll(() => servers.stop());
  describeService(`a generated client, on the tier with ${count} servers`, () =>
    createGrpcCalls(servers.nextClient()),
  );
}

describeEngines("one server", (engine) => describeTier(engine, 1));
describeEngines(
  "three servers over three primaries",
  (engine) => describe("in turns", () => describeTier(engine, 3)),
  {
    primaries: 3,
  },
);
