/** C6: an address that is none of a meshcache server. Errors, events and the warning say what is there and what to do. */
import { credentials } from "@grpc/grpc-js";
import { describe, expect, it, vi } from "vitest";
import {
  type ClientEvent,
  type ClientOptions,
  type ConnectionProblem,
  json,
  MeshCache,
} from "../../src/index.ts";
import { startServer } from "../support/running-server.ts";
import { type WrongServerName, wrongServers } from "../support/wrong-servers.ts";

type Expected = readonly [problem: ConnectionProblem, what: RegExp];

const OVER_HTTP2: Record<WrongServerName, Expected> = {
  nothing: ["refused", /nothing listens there: connect ECONNREFUSED 127\.0\.0\.1:/],
  "an unknown name": ["unknownName", /does not resolve|DNS did not answer/],
  "HTTP/1": ["wrongProtocol", /answers in HTTP\/1.*gRPC port.*not its admin port/],
  "a page over HTTP/2": ["wrongProtocol", /not in gRPC/],
  "404 over HTTP/2": ["wrongProtocol", /HTTP status 404/],
  "503 over HTTP/2": ["proxy", /HTTP status 503.*is the server behind `address` running/],
  "gRPC without the service": ["wrongService", /gRPC server without.*of this version/],
  "another gRPC service": ["wrongService", /no frame of an Exchange.*meshcache server of this version/],
  "a gRPC message without an end": ["wrongService", /no frame of an Exchange/],
  TLS: ["closed", /closed the connection.*TLS, which needs `tls`/],
  "an alert of TLS": ["needsTls", /expects TLS.*set `tls`/],
  Redis: ["wrongProtocol", /not HTTP\/2/],
  "a banner": ["wrongProtocol", /not HTTP\/2/],
  "an end": ["closed", /closed the connection before it answered/],
  "a reset": ["closed", /before it answered/],
  silence: ["silent", /connectTimeoutMs, which is 300 ms/],
};

/** grpc-js says less. */
const OVER_GRPC_JS: Partial<Record<WrongServerName, Expected>> = {
  nothing: ["refused", /nothing listens there: connect ECONNREFUSED 127\.0\.0\.1:/],
  "an unknown name": ["unknownName", /does not resolve|DNS did not answer/],
  "HTTP/1": ["wrongProtocol", /not HTTP\/2.*gRPC port/],
  "404 over HTTP/2": ["wrongProtocol", /HTTP status 404/],
  "503 over HTTP/2": ["proxy", /HTTP status 503/],
  "gRPC without the service": ["wrongService", /gRPC server without.*of this version/],
  "an end": ["closed", /closed the connection before it answered/],
  silence: ["silent", /connectTimeoutMs, which is 300 ms/],
};

async function failureOf(address: string, options: Partial<ClientOptions> = {}) {
  const events: ClientEvent[] = [];
  const cache = new MeshCache({
    address,
    connectTimeoutMs: 300,
    onEvent: (event) => events.push(event),
    ...options,
  });
  const users = cache.namespace("users", { codec: json<string>() });
  const of = (call: Promise<unknown>) =>
    call.then(
      () => undefined,
      (error) => error,
    );
  // The second finds the state "unavailable".
  const errors = [await of(users.get("k")), await of(users.get("k"))];
  const value = await users.getOrLoad("k", () => "loaded");
  await cache.close({ graceMs: 0 });
  return { errors, events, value };
}

describe.each([
  ["the client's own HTTP/2", OVER_HTTP2, {}],
  ["grpc-js", OVER_GRPC_JS, { credentials: credentials.createInsecure() }],
] as const)("C6: over %s", (_transport, expected, options) => {
  it.each(Object.entries(expected))("%s", async (name, [problem, what]) => {
    await using server = await wrongServers[name as WrongServerName]();
    const { address } = server;
    const { errors, events, value } = await failureOf(address, options);
    for (const error of errors) {
      expect(error).toMatchObject({ reason: "UNAVAILABLE", detail: { address, problem } });
      expect(error.message).toContain(`could not connect to ${address} (`);
      expect(error.message).toMatch(what);
      // The cause is what Node or grpc-js reported, and not an error of this library around it.
      if (error.cause !== undefined) expect(error.cause.constructor.name).not.toBe("CacheError");
    }
    expect(value).toBe("loaded");
    const [failed, unavailable] = events;
    expect(failed).toMatchObject({ kind: "connectFailed", address, problem });
    expect(unavailable).toMatchObject({ kind: "unavailable", addresses: [address], problem });
    expect(failed?.message).toMatch(what);
    expect(unavailable?.message).toMatch(what);
  });
});

describe("C6", () => {
  it("a client with TLS tells of a server without", async () => {
    const server = await startServer();
    const { errors } = await failureOf(server.address.replace("127.0.0.1", "localhost"), {
      credentials: credentials.createSsl(),
    });
    await server.stop();
    expect(errors[0]).toMatchObject({ detail: { problem: "noTls" } });
    expect(errors[0].message).toMatch(/does not speak TLS.*leave `tls` or `credentials` out/);
  });

  it("a client without onEvent warns once, with the address and the root cause", async () => {
    const warnings = vi.spyOn(process, "emitWarning").mockReturnValue(undefined);
    await using server = await wrongServers.nothing();
    await failureOf(server.address, { onEvent: undefined as never });
    const calls = warnings.mock.calls.map(([message]) => String(message));
    warnings.mockRestore();
    expect(calls).toHaveLength(1);
    expect(calls[0]).toContain(`at ${server.address} (nothing listens there: connect ECONNREFUSED`);
  });
});
