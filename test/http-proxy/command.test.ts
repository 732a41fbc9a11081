/** `meshcache proxy --origin` as it is called. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, it } from "vitest";
import { runCommand, startCommand } from "../support/command-line.ts";
import { ask, numbered, startProxiedOrigin } from "./proxied-origin.ts";

const folder = mkdtempSync(join(tmpdir(), "http-proxy-"));
const tokenFile = join(folder, "token");
const TOKEN = "0123456789abcdef";
writeFileSync(tokenFile, `${TOKEN}\n`);
const shortFile = join(folder, "short");
writeFileSync(shortFile, "short");
afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("meshcache proxy --origin", () => {
  it("caches until it is interrupted, and prints what it has counted", async () => {
    await using proxied = await startProxiedOrigin(numbered({ "cache-control": "max-age=60" }));
    const { stdout, exitCode, interrupt } = startCommand([
      "proxy",
      ...["--origin", proxied.origin],
      ...["--listen", "127.0.0.1:0"],
      ...["--cache", proxied.mesh.address],
      ...["--host", "shop.example"],
      ...["--purge-token-file", tokenFile],
      ...["--admin", "127.0.0.1:0"],
    ]);
    await stdout.until(/listening on \S+, before \S+/);
    const base = `http://${/on (\S+),/.exec(stdout.text())?.[1]}`;
    for (const host of ["shop.example", "shop.example:80"])
      expect((await ask(base, "/", { headers: { host } })).body).toBe("answer 1");
    expect((await ask(base, "/", { headers: { host: "other.example" } })).status).toBe(421);
    const headers = { authorization: `Bearer ${TOKEN}` };
    expect((await ask(base, "/", { method: "PURGE", headers })).status).toBe(200);
    const admin = /stats on http:\/\/(\S+)/.exec(stdout.text())?.[1] ?? "";
    const shown = await runCommand(["stats", "--proxy", admin]);
    expect(shown.stdout).toMatch(/before http:\/\/127\.0\.0\.1:\d+ · namespace responses/);
    expect(shown.stdout).toMatch(
      /reads +2 +50\.0 % hits · 0 stale · 0 revalidated · 0 collapsed · 1 miss · /,
    );
    const metrics = await (await fetch(`http://${admin}/metrics`)).text();
    expect(metrics).toMatch(/^meshcache_proxy_requests_total\{.*meshcache_outcome="hit"\} 1$/m);
    expect(metrics).toMatch(/^meshcache_client_near_hits_total\{/m);
    interrupt("SIGTERM");
    expect(await exitCode).toBe(0);
    const requests = { hit: 1, miss: 1, purge: 1, refused: 1, write: 0, error: 0 };
    expect(JSON.parse(stdout.lines().at(-1) ?? "")).toMatchObject({ requests, stored: 1 });
    const gone = await runCommand(["stats", "--proxy", admin]);
    expect(gone.exitCode).toBe(3);
    expect(gone.stderr).toContain("no proxy answers at");
  });

  it.each([
    ["neither kind of service", [], /one of --grpc and --origin/],
    ["both kinds", ["--grpc", "--origin", "http://127.0.0.1:1"], /one of --grpc and --origin/],
    ["an origin with a path", ["--origin", "http://127.0.0.1:1/api"], /--origin must be/],
    ["an origin of another kind", ["--origin", "ftp://127.0.0.1:1"], /--origin must be/],
    [
      "an address for all without --exposed",
      ["--origin", "http://127.0.0.1:1", "--listen", "0.0.0.0:0"],
      /--exposed/,
    ],
    [
      "an admin port for all without --exposed",
      ["--origin", "http://127.0.0.1:1", "--admin", "0.0.0.0:0"],
      /--admin must be a loopback address/,
    ],
    ["a short token", ["--origin", "http://127.0.0.1:1", "--purge-token-file", shortFile], /16 to 1,024/],
    ["gRPC without descriptors", ["--grpc"], /--descriptors and --upstream/],
  ])("refuses %s", async (_name, argv, message) => {
    const { exitCode, stderr } = await runCommand(["proxy", ...argv]);
    expect(exitCode).toBe(2);
    expect(stderr).toMatch(message);
  });
});
