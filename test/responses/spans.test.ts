/** What a trace says of cached calls: where each answer came from, and nothing of what was asked. */
import type { ServiceDefinition } from "@grpc/grpc-js";
import { trace } from "@opentelemetry/api";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createCacheInterceptor } from "../../src/responses/grpc/index.ts";
import { startTestCache, type TestCache } from "../../src/testing/index.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";
import {
  connectUsers,
  createUsersService,
  type ListeningServer,
  listen,
  type SeenAnswer,
  type UsersClient,
} from "./users-server.ts";
import { loadUsers, PATIENT, PATIENT_WRITES } from "./users-service.ts";

/** A word that occurs nowhere else. It is in every field of the requests, in the metadata and in the responses. */
const CANARY = "kanarienvogel";
const definition = loadUsers(false) as ServiceDefinition;
const request = { tenantId: CANARY, userId: "42", name: CANARY };

describe("the span of a caller", () => {
  let receiver: OtlpReceiver;
  let traced: TracedProcess;
  let mesh: TestCache;
  let server: ListeningServer;
  let clients: UsersClient[];

  beforeEach(async () => {
    receiver = await startOtlpReceiver();
    traced = await startTracedProcess({
      OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
      OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
    });
    mesh = await startTestCache({ client: PATIENT });
    const service = createUsersService();
    server = await listen(definition, service.handlers);
    clients = [mesh.cache, mesh.connect(PATIENT)].map((cache) =>
      connectUsers(server.address, definition, [
        createCacheInterceptor({ ...PATIENT_WRITES, cache, definitions: definition }),
      ]),
    );
  });
  afterEach(async () => {
    for (const client of clients) client[Symbol.dispose]();
    await server[Symbol.asyncDispose]();
    await mesh.close();
    await traced.stop();
    await receiver.close();
  });

  const call = (name: string, at: number, method: string, more = {}): Promise<SeenAnswer> =>
    trace.getTracer("a service").startActiveSpan(name, async (span) => {
      const metadata = { "x-request-id": CANARY, "accept-language": CANARY };
      const seen = await clients[at]?.call(method, { ...request, ...more }, { metadata });
      span.end();
      if (seen === undefined) throw new Error("no such client");
      return seen;
    });

  it("says where the answer came from, as its metadata does, and has no key, tag, value or metadata", async () => {
    const seen: Record<string, string | undefined> = {
      first: (await call("first", 0, "GetUser")).mark,
      again: (await call("again", 0, "GetUser")).mark,
      elsewhere: (await call("elsewhere", 1, "GetUser")).mark,
      written: (await call("written", 1, "RenameUser")).mark,
      unwritten: (await call("unwritten", 1, "RenameUser", { name: "" })).mark,
      uncached: (await call("uncached", 0, "Ping")).mark,
    };
    expect(seen).toEqual({
      first: "miss",
      again: "near",
      elsewhere: "remote",
      written: "invalidated",
      unwritten: "unchanged",
      uncached: undefined,
    });
    await mesh.close();
    await traced.stop();
    const said = Object.keys(seen).map((name) => {
      const span = receiver.spans.find((one) => one.name === name);
      return [name, span?.attributes["meshcache.response"]];
    });
    expect(Object.fromEntries(said)).toEqual(seen);
    expect(receiver.text()).toContain("elsewhere");
    expect(receiver.text()).not.toContain(CANARY);
  });
});
