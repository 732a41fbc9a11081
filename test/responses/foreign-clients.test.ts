/**
 * A service behind the sidecar, called by programs in other languages, where scripts/build-contract-clients.sh has built them: they see
 * what they see without it.
 */
import { type ServiceDefinition, status } from "@grpc/grpc-js";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseServerAddress } from "../../src/common/host-port.ts";
import { type Sidecar, startSidecar } from "../../src/responses/sidecar/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { ForeignClient } from "../contract/foreign-calls.ts";
import { createUsersService, type ListeningServer, listen, type UsersService } from "./users-server.ts";
import { buildDescriptors, loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const definition = loadUsers(false) as ServiceDefinition;

describe.each([
  ["Go", process.env.CONTRACT_CLIENT_GO],
  ["Python", process.env.CONTRACT_CLIENT_PYTHON],
])("a client in %s behind a sidecar", (language, command) => {
  if (command === undefined) {
    describe.todo(`${language} is not here: scripts/build-contract-clients.sh builds its client`);
    return;
  }
  let mesh: TestCache;
  let service: UsersService;
  let server: ListeningServer;
  let sidecar: Sidecar;
  let cached: ForeignClient;
  let plain: ForeignClient;
  const faults: unknown[] = [];

  beforeAll(async () => {
    mesh = await startTestCache({ client: PATIENT });
    service = createUsersService();
    server = await listen(definition, service.handlers);
    sidecar = await startSidecar({
      ...PATIENT_WRITES,
      cache: mesh.cache,
      upstream: parseServerAddress(server.address) ?? { host: "", port: 0 },
      listen: { host: "127.0.0.1", port: 0 },
      services: [buildDescriptors()],
      onFault: (error) => faults.push(error),
    });
    cached = new ForeignClient(command, sidecar.address);
    plain = new ForeignClient(command, server.address);
  });
  afterAll(async () => {
    await cached[Symbol.asyncDispose]();
    await plain[Symbol.asyncDispose]();
    await sidecar.close();
    await server[Symbol.asyncDispose]();
    await mesh.close();
    expect(faults).toEqual([]);
  });

  const ask = async (client: ForeignClient, method: string, request: object, metadata = {}) => {
    const types = definition[method] ?? expect.unreachable();
    const answer = await client.unary(
      `users.v1.UserService/${method}`,
      types.requestSerialize(request as never),
      metadata,
    );
    const { code, message, response } = answer;
    return {
      code,
      message,
      response: response && types.responseDeserialize(Buffer.from(response)),
      mark: answer.metadata["x-meshcache"]?.[0],
    };
  };

  it("gets the second answer from memory, and a fresh one after a write", async () => {
    const request = { tenantId: "acme", userId: "42" };
    const first = await ask(cached, "GetUser", request);
    expect(first).toMatchObject({ code: status.OK, response: { name: "user acme:42" }, mark: "miss" });
    expect(await ask(cached, "GetUser", request)).toEqual({ ...first, mark: "near" });
    expect(service.calls.GetUser).toBe(1);
    expect(await ask(cached, "RenameUser", { ...request, name: "Ada" })).toMatchObject({
      mark: "invalidated",
    });
    await mesh.cache.sync();
    expect(await ask(cached, "GetUser", request)).toMatchObject({ response: { name: "Ada" }, mark: "miss" });
  });

  it("keeps the responses of each caller apart, and lets metadata pass that is not declared", async () => {
    for (const token of ["a", "b", "a"]) {
      const seen = await ask(cached, "GetSettings", { userId: "1" }, { authorization: token });
      expect(seen.response).toMatchObject({ readFor: token });
    }
    expect(service.calls.GetSettings).toBe(2);
    const undeclared = await ask(cached, "GetUser", { tenantId: "acme", userId: "42" }, { "x-shard": "7" });
    expect(undeclared).toMatchObject({ code: status.OK, mark: undefined });
  });

  it.each([
    ["an error that is kept", { code: status.NOT_FOUND, details: "no such user \u00fc%" }],
    ["an error that is not", { code: status.PERMISSION_DENIED, details: "not yours" }],
    [
      "texts, lists, bytes and maps",
      { name: "Zo\u00eb \u{1f600}", groups: ["a", ""], picture: Buffer.from([0, 255]), labels: { k: "v" } },
    ],
    ["nothing", {}],
  ])("sees %s as without the sidecar, each time", async (what, answer) => {
    const request = { tenantId: what, userId: "7" };
    service.answers.set(`${what}:7`, answer);
    const { mark: _, ...expected } = await ask(plain, "GetUser", request);
    for (const round of [1, 2]) {
      expect(await ask(cached, "GetUser", request), `round ${round}`).toMatchObject(expected);
    }
  });
});
