/** A server of the command line with TLS on both ports, and the commands that talk to it. */
import { once } from "node:events";
import { request } from "node:https";
import { connect, type Socket } from "node:net";
import { text } from "node:stream/consumers";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { createAuthority, PemFolder } from "../support/certificates.ts";
import { type RunningCommand, runCommand, startCommand } from "../support/command-line.ts";

const folder = new PemFolder();
const authority = createAuthority();
const ca = folder.write("ca.crt", authority.cert);
const server = folder.save("server", authority.issue());
const own = folder.save("client", authority.issue({ names: ["URI:spiffe://example.org/cli"] }));

let serving: RunningCommand;
let address: string;
let admin: URL;

const LISTEN = [
  "--listen",
  "127.0.0.1:0",
  "--admin",
  "127.0.0.1:0",
  "--workers",
  "1",
  "--store-budget-bytes",
  "16MiB",
];
const SECURE = ["--tls-cert", server.cert, "--tls-key", server.key, "--tls-client-ca", ca];
const CLIENT = ["--tls-ca", ca, "--tls-cert", own.cert, "--tls-key", own.key];

beforeAll(async () => {
  serving = startCommand(["serve", ...LISTEN, ...SECURE]);
  await serving.stdout.until(/Try it/);
  const said = serving.stdout.text();
  address = /listens on (\S+)/.exec(said)?.[1] ?? "";
  admin = new URL(/health on (\S+)/.exec(said)?.[1] ?? "");
});
afterAll(async () => {
  serving.interrupt("SIGTERM");
  await serving.exitCode;
  folder[Symbol.dispose]();
});

const run = (...argv: string[]) => runCommand([...argv, "--address", address, "--timeout", "2s"]);

describe("the commands over TLS", () => {
  it("take their files from options or variables", async () => {
    expect((await run("set", "greeting", "hello", ...CLIENT)).exitCode).toBe(0);
    expect((await run("get", "greeting", ...CLIENT)).stdout).toBe("hello");
    expect((await run("stats", ...CLIENT)).exitCode).toBe(0);
    const env = { MESHCACHE_TLS_CA: ca, MESHCACHE_TLS_CERT: own.cert, MESHCACHE_TLS_KEY: own.key };
    const got = await runCommand(["get", "greeting", "--address", address], { env });
    expect(got.stdout).toBe("hello");
  });

  it("replay through clients too", async () => {
    const trace = folder.write("web.trace", "\0\0\0\x01\0\0\0\x02\0\0\0\x01");
    const replayed = await run("replay", trace, "--client", ...CLIENT);
    expect(replayed.stderr).toBe("");
    expect(replayed.exitCode).toBe(0);
  });

  it("are refused without a certificate, and without TLS", async () => {
    expect((await run("get", "greeting", "--tls-ca", ca)).exitCode).not.toBe(0);
    expect((await run("get", "greeting")).exitCode).not.toBe(0);
    expect((await run("get", "greeting", "--tls-ca", ca, "--tls-cert", own.cert)).exitCode).toBe(2);
    expect((await run("get", "greeting", "--tls-ca", "/nowhere")).stderr).toContain("/nowhere");
  });

  it("check what a client would see", async () => {
    const good = await run("cert", "check", ...CLIENT);
    expect(good.stdout).toContain("DNS:localhost");
    expect(good.stdout).toContain("TLSv1.3");
    expect([good.exitCode, good.stderr]).toEqual([0, ""]);
    const cases: [string[], RegExp][] = [
      [["--tls-ca", ca], /another client certificate/],
      [CLIENT.slice(2), /not trusted/],
      [[...CLIENT, "--tls-server-name", "other.example"], /other\.example/],
    ];
    for (const [argv, why] of cases) {
      const bad = await run("cert", "check", "--json", ...argv);
      expect(bad.exitCode).toBe(1);
      expect(JSON.parse(bad.stdout).faults.join()).toMatch(why);
    }
    expect((await runCommand(["cert", "check", "--address", "127.0.0.1:1"])).exitCode).toBe(3);
  });
});

describe("the admin port over TLS", () => {
  const get = async (path: string, files?: { readonly cert: string; readonly key: string }) => {
    const asked = request(new URL(path, admin), { ca: authority.cert, agent: false, ...files });
    asked.end();
    const [response] = await once(asked, "response");
    return { status: response.statusCode, text: await text(response) };
  };

  it("answers probes without a client certificate, and nothing else", async () => {
    expect(admin.protocol).toBe("https:");
    expect((await get("/healthz")).status).toBe(200);
    expect((await get("/readyz")).status).toBe(200);
    for (const path of ["/", "/metrics", "/canary"]) {
      expect(await get(path)).toEqual({ status: 401, text: "a client certificate is needed\n" });
      expect((await get(path, createAuthority().issue())).status).toBe(401);
    }
  });

  it("answers metrics to clients with a certificate, and they tell when the server's expires", async () => {
    const { status, text: metrics } = await get("/metrics", authority.issue());
    expect(status).toBe(200);
    const [, seconds = ""] = /^meshcache_tls_certificate_expiry (\S+)$/m.exec(metrics) ?? [];
    expect(Number(seconds)).toBeGreaterThan(Date.now() / 1_000 + 20 * 86_400);
    expect(metrics).toMatch(/^meshcache_security_files_refused 0$/m);
    expect(metrics).toMatch(/^meshcache_tls_handshakes_total\{meshcache_outcome="completed"\} [1-9]/m);
  });

  it("is served without TLS too, where a policy knows clients by certificates alone", async () => {
    const policy = folder.write("policy.yaml", "principals: []\n");
    const plain = startCommand(["serve", ...LISTEN, ...SECURE, "--policy", policy, "--admin-tls", "off"]);
    await plain.stdout.until(/Try it/);
    const [, url = ""] = /health on (\S+)/.exec(plain.stdout.text()) ?? [];
    expect((await fetch(`${url}/metrics`)).status).toBe(200);
    expect((await fetch(`${url}/console/`)).status).toBe(404);
    plain.interrupt("SIGTERM");
    expect(await plain.exitCode).toBe(0);
  });

  it("is not kept busy by connections without a handshake", { timeout: 40_000 }, async () => {
    const silent = Array.from({ length: 300 }, () => connect(Number(admin.port), "127.0.0.1"));
    for (const socket of silent) socket.on("error", () => {});
    // `once` would reject after an error, which a closed connection may be.
    const settled = (socket: Socket) =>
      new Promise<void>((resolve) => {
        for (const event of ["connect", "close"]) socket.once(event, () => resolve());
      });
    await Promise.all(silent.map(settled));
    expect((await get("/healthz")).status).toBe(200);
    expect(silent.filter((socket) => !socket.destroyed).length).toBeLessThanOrEqual(300);
    for (const socket of silent) socket.destroy();
  });
});

describe("a token beyond loopback", () => {
  const get = async (argv: readonly string[], env = {}) =>
    runCommand(
      ["get", "greeting", "--timeout", "100ms", "--address", "192.0.2.1:50051", "--token-file", ca, ...argv],
      { env },
    );

  it("is sent only with TLS, or where others encrypt", async () => {
    const { exitCode, stderr } = await get([]);
    expect([exitCode, stderr]).toEqual([2, expect.stringMatching(/--token-file .* needs TLS .*--plaintext/)]);
    expect((await get([], { MESHCACHE_PLAINTEXT: "false" })).exitCode).toBe(2);
    const unreachable = expect.not.stringContaining("--token-file");
    expect((await get(CLIENT)).stderr).toEqual(unreachable);
    expect((await get(["--plaintext"])).stderr).toEqual(unreachable);
    expect((await get([], { MESHCACHE_PLAINTEXT: "true" })).stderr).toEqual(unreachable);
  });
});

describe("serve beyond loopback", () => {
  const faults = async (...argv: string[]) => {
    const { exitCode, stderr } = await runCommand(["config", "print", ...argv]);
    return exitCode === 0 ? "" : stderr;
  };

  it("needs TLS and identities, or to be told that it does not, and says so for both ports at once", async () => {
    const wide = ["--listen", "0.0.0.0:0", "--admin", "0.0.0.0:0"];
    const said = await faults(...wide);
    expect(said).toMatch(/--listen: 0\.0\.0\.0:0 is not loopback: it needs TLS .*--plaintext/);
    expect(said).toMatch(/--admin: 0\.0\.0\.0:0 is not loopback: it needs TLS .*--plaintext/);
    expect(await faults(...wide, "--plaintext")).toMatch(/it needs identities .*--anonymous/);
    expect(await faults(...wide, "--plaintext", "--anonymous")).toBe("");
    expect(await faults(...wide, ...SECURE)).toBe("");
    expect(await faults(...wide, ...SECURE, "--admin-tls", "off")).toMatch(/--admin: .*needs TLS/);
    expect(await faults(...wide, ...SECURE.slice(0, 4))).toMatch(/needs identities/);
    // The admin port knows its callers by their certificates alone.
    const tokens = await faults(...wide, ...SECURE.slice(0, 4), "--tokens", "file");
    expect(tokens).not.toMatch(/--listen/);
    expect(tokens).toMatch(/--admin: .*needs client certificates \(tlsClientCa\)/);
  });

  it("refuses files that do not go together", async () => {
    expect(await faults("--tls-cert", "a")).toMatch(/--tls-cert: tlsCert and tlsKey go together/);
    expect(await faults("--tls-key", "a")).toMatch(/--tls-key: tlsCert and tlsKey go together/);
    expect(await faults("--tls-client-ca", "a")).toMatch(/tlsClientCa needs/);
  });

  it("does not start with files that it cannot use", async () => {
    const started = await runCommand(["serve", ...LISTEN, "--tls-cert", "/nowhere", "--tls-key", server.key]);
    expect(started.exitCode).toBe(2);
    expect(started.stderr).toContain("tls.cert must be a file that can be read: /nowhere (ENOENT)");
  });
});
