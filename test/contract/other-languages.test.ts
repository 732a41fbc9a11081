/** The service contract by clients in other languages, where scripts/build-contract-clients.sh has built them. */
import { afterAll, beforeAll, describe } from "vitest";
import { type RunningServer, startServer } from "../support/running-server.ts";
import { ForeignClient } from "./foreign-calls.ts";
import { describeService } from "./service-contract.ts";

describe.each([
  ["Go", process.env.CONTRACT_CLIENT_GO],
  ["Python", process.env.CONTRACT_CLIENT_PYTHON],
])("the contract in %s", (language, command) => {
  if (command === undefined) {
    describe.todo(`${language} is not here: scripts/build-contract-clients.sh builds its client`);
    return;
  }
  let running: RunningServer;
  let client: ForeignClient;

  beforeAll(async () => {
    running = await startServer();
    client = new ForeignClient(command, running.address);
  });
  afterAll(async () => {
    await client[Symbol.asyncDispose]();
    await running.stop();
  });

  describeService(language, () => client.calls);
});
