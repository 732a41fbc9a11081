/** A gRPC service behind the sidecar: cached as its descriptors declare, and everything else as it is. */
import { Metadata, type ServiceDefinition, status } from "@grpc/grpc-js";
import fc from "fast-check";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { parseServerAddress } from "../../src/common/host-port.ts";
import { type Sidecar, startSidecar } from "../../src/responses/sidecar/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import {
  connectUsers,
  createUsersService,
  type ListeningServer,
  listen,
  type UsersClient,
  type UsersService,
} from "./users-server.ts";
import { buildDescriptors, loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

const definition = loadUsers(false) as ServiceDefinition;
const descriptors = buildDescriptors();

describe("a sidecar", () => {
  let mesh: TestCache;
  let server: ListeningServer;
  let service: UsersService;
  let sidecars: Sidecar[];
  /** Clients of two sidecars, and one of the service itself. */
  let cached: UsersClient;
  let other: UsersClient;
  let plain: UsersClient;
  const faults: unknown[] = [];

  beforeEach(async () => {
    mesh = await startTestCache({ client: PATIENT });
    service = createUsersService();
    server = await listen(definition, service.handlers);
    const upstream = parseServerAddress(server.address) ?? { host: "", port: 0 };
    sidecars = await Promise.all(
      [mesh.cache, mesh.connect(PATIENT)].map((cache) =>
        startSidecar({
          ...PATIENT_WRITES,
          cache,
          upstream,
          listen: { host: "127.0.0.1", port: 0 },
          services: [descriptors],
          onFault: (error) => faults.push(error),
        }),
      ),
    );
    const [one, two] = sidecars.map(({ address }) => connectUsers(address, definition));
    if (one === undefined || two === undefined) throw new Error("two sidecars");
    cached = one;
    other = two;
    plain = connectUsers(server.address, definition);
  });

  afterEach(async () => {
    for (const client of [cached, other, plain]) client[Symbol.dispose]();
    for (const sidecar of sidecars) await sidecar.close();
    await server[Symbol.asyncDispose]();
    await mesh.close();
    expect(faults.splice(0)).toEqual([]);
  });

  it("answers from the service, from memory, and from the cache", async () => {
    const request = { tenantId: "acme", userId: "42" };
    const marks = [];
    for (const client of [cached, cached, other, other])
      marks.push((await client.call("GetUser", request)).mark);
    expect(marks).toEqual(["miss", "near", "remote", "near"]);
    expect(service.calls.GetUser).toBe(1);
    expect(sidecars[0]?.counts).toMatchObject({ miss: 1, near: 1 });
  });

  it("makes a write through another sidecar fresh, also one that fails after it was committed", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await cached.call("GetUser", request);
    service.renameError = { code: status.UNAVAILABLE, details: "gone ü" };
    const written = await other.call("RenameUser", { ...request, name: "Ada" });
    expect(written).toMatchObject({ code: status.UNAVAILABLE, details: "gone ü", mark: "invalidated" });
    await mesh.cache.sync();
    expect((await cached.call("GetUser", request)).response).toMatchObject({ name: "Ada" });
    const refused = await other.call("RenameUser", { ...request, name: "" });
    expect(refused).toMatchObject({ code: status.INVALID_ARGUMENT, mark: "unchanged" });
  });

  it("lets calls with credentials pass, also where all share, and keeps those of each caller apart", async () => {
    for (const _ of [1, 2]) {
      const seen = await cached.call("GetPlan", { name: "gold" }, { metadata: { authorization: "a" } });
      expect(seen).toMatchObject({ code: status.OK, mark: undefined });
    }
    const ask = (token: string) =>
      cached.call("GetSettings", { userId: "1" }, { metadata: { authorization: token } });
    expect(await ask("a")).toMatchObject({ response: { readFor: "a" }, mark: "miss" });
    expect(await ask("b")).toMatchObject({ response: { readFor: "b" }, mark: "miss" });
    expect(await ask("a")).toMatchObject({ response: { readFor: "a" }, mark: "near" });
  });

  it("asks the service once for many callers, each of whom keeps its deadline and its cancellation", async () => {
    service.delayMs = 300;
    const request = { tenantId: "acme", userId: "42" };
    const late = cached.call("GetUser", request, { deadlineMs: 50 });
    const cancelled = cached.call("GetUser", request, { begun: (cancel) => setTimeout(cancel, 50) });
    const patient = Array.from({ length: 20 }, (_, index) =>
      (index % 2 === 0 ? cached : other).call("GetUser", request, { deadlineMs: 20_000 }),
    );
    expect((await late).code).toBe(status.DEADLINE_EXCEEDED);
    expect((await cancelled).code).toBe(status.CANCELLED);
    for (const seen of await Promise.all(patient)) expect(seen.code).toBe(status.OK);
    expect(service.calls.GetUser).toBe(1);
  });

  it("answers as the service does while no cache can be reached, and UNAVAILABLE without the service", async () => {
    const request = { tenantId: "acme", userId: "42" };
    await mesh.server.close();
    expect((await cached.call("GetUser", request)).code).toBe(status.OK);
    const written = await cached.call("RenameUser", { ...request, name: "Ada" }, { deadlineMs: 1_000 });
    expect(written).toMatchObject({ code: status.OK, mark: "queued" });
    await server[Symbol.asyncDispose]();
    expect((await cached.call("GetUser", { userId: "7" })).code).toBe(status.UNAVAILABLE);
    expect((await cached.call("Ping", {})).code).toBe(status.UNAVAILABLE);
  });

  it("passes on calls of other methods", async () => {
    expect((await cached.call("Ping", {})).response).toEqual({ pings: 1 });
    expect((await cached.call("Ping", {})).response).toEqual({ pings: 2 });
  });

  it("answers field by field as the service does, errors included", async () => {
    const text = fc.string({ unit: "grapheme", maxLength: 20 });
    const user = fc.record(
      {
        tenantId: text,
        name: text,
        groups: fc.array(text, { maxLength: 3 }),
        labels: fc.dictionary(text, text),
      },
      { requiredKeys: [] },
    );
    const failure = fc.record({ code: fc.integer({ min: 1, max: 16 }), details: text });
    const details = new Metadata();
    details.set("grpc-status-details-bin", Buffer.from([8, 5, 0x12, 1, 65]));
    const detailed = fc.constant({ code: 5, details: "no such user", metadata: details });
    let userId = 0;
    await fc.assert(
      fc.asyncProperty(fc.oneof(user, failure, detailed), text, async (answer, tenantId) => {
        userId += 1;
        const request = { tenantId, userId: String(userId) };
        service.answers.set(`${tenantId}:${userId}`, answer);
        const { mark: _, ...uncached } = await plain.call("GetUser", request);
        for (const client of [cached, cached, other]) {
          const { mark: __, ...seen } = await client.call("GetUser", request);
          expect(seen).toEqual(uncached);
        }
      }),
      { numRuns: 40 },
    );
  });
});
