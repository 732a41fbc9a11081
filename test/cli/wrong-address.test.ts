/** C6: commands whose --address is none of a meshcache server say what is there, what to do, and exit with 3. */
import { describe, expect, it } from "vitest";
import { runCommand } from "../support/command-line.ts";
import { type WrongServerName, wrongServers } from "../support/wrong-servers.ts";

const EXPECTED: Record<Exclude<WrongServerName, "silence" | "a gRPC message without an end">, RegExp> = {
  nothing:
    /no server answers at .* \(nothing listens there: connect ECONNREFUSED .*is --address its gRPC port\?/,
  "an unknown name":
    /no server answers at .* \((its name does not resolve|the DNS did not answer).*check the name in --address/,
  "HTTP/1":
    /no meshcache server answers at .* \(it answers in HTTP\/1\); --address must be the gRPC port.*admin port/,
  "a page over HTTP/2":
    /no server answers at .* \(it ended the call without a gRPC status\); is --address its gRPC port/,
  "404 over HTTP/2": /no meshcache server answers at .* \(it answers with the HTTP status 404/,
  "503 over HTTP/2": /no server answers at .* \(it answers with the HTTP status 503.*behind --address/,
  "gRPC without the service":
    /no meshcache server answers at .* \(it is a gRPC server without.*of this version/,
  "another gRPC service":
    /no meshcache server answers at .* \(it answered with what is no message of meshcache.v1\); --address must be of a/,
  TLS: /no meshcache server answers at .* \(it expects TLS\); set --tls-ca, or use a port without TLS/,
  "an alert of TLS": /no meshcache server answers at .* \(it expects TLS\)/,
  Redis: /no meshcache server answers at .* \(it answers in a protocol that is not HTTP\/2\)/,
  "a banner": /no meshcache server answers at .* \(it answers in a protocol that is not HTTP\/2\)/,
  "an end": /no server answers at .* \(it closed the connection before it answered\)/,
  "a reset": /no server answers at .* \(it closed the connection before it answered\)/,
};

describe.each([
  ["get", ["get", "k"]],
  ["watch", ["watch"]],
  ["stats", ["stats"]],
] as const)("C6: meshcache %s", (command, argv) => {
  it.each(Object.entries(EXPECTED))("at %s", async (name, message) => {
    await using server = await wrongServers[name as WrongServerName]();
    const { exitCode, stdout, stderr } = await runCommand([...argv, "--address", server.address]);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(` at ${server.address} (`);
    expect(stderr.trimEnd().split("\n")).toHaveLength(1);
    expect({ exitCode, stdout }).toEqual({ exitCode: 3, stdout: "" });
  });

  it("at silence, ends after --timeout", async () => {
    await using server = await wrongServers.silence();
    const argvHere = [...argv, "--address", server.address, "--timeout", "200ms"];
    const { exitCode, stderr } = await runCommand(argvHere);
    expect(stderr).toMatch(/^meshcache: no answer from .* in time \(.*--timeout allows more\)\n$/);
    if (command !== "watch") expect(stderr).toContain("is --address its gRPC port?");
    expect(exitCode).toBe(5);
  });
});

it("C6: --json says the problem and the address", async () => {
  await using server = await wrongServers["HTTP/1"]();
  const { stderr } = await runCommand(["get", "k", "--json", "--address", server.address]);
  expect(JSON.parse(stderr)).toMatchObject({
    error: {
      reason: "UNAVAILABLE",
      problem: "wrongProtocol",
      address: server.address,
      cause: "it answers in HTTP/1",
    },
  });
});
