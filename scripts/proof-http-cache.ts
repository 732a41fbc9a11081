/**
 * Runs the public test suite of HTTP caches (npm: http-cache-tests) against `meshcache proxy`: `npm run proof:http-cache`. Fails for a
 * test that indicates a conformance problem and is not named in test/http-proxy/suite/named.json, and for one that is named and passes.
 * `--peers` also runs it against those of nginx, Varnish, Squid, Apache Traffic Server and Apache httpd that are installed, and
 * `--write` puts the table into docs/http-proxy.md. HTTP_CACHE_TESTS is the folder of another version of the suite.
 */
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { z } from "zod";
import { startPeers } from "../test/http-proxy/suite/peers.ts";
import { untilListening } from "../test/http-proxy/suite/ports.ts";
import { type Judged, judge, loadSuite, runSuite } from "../test/http-proxy/suite/suite.ts";
import { freePort } from "../test/support/free-port.ts";

const PACKAGE = "http-cache-tests@0.4.5";
const DOCUMENT = "docs/http-proxy.md";

const { values } = parseArgs({
  options: { peers: { type: "boolean", default: false }, write: { type: "boolean", default: false } },
});

/** Why each test may fail, by its name. */
const named = z
  .record(z.string(), z.string())
  .parse(JSON.parse(readFileSync(new URL("../test/http-proxy/suite/named.json", import.meta.url), "utf8")));

const folder = mkdtempSync(join(tmpdir(), "http-cache-tests-"));
await using cleanup = new AsyncDisposableStack();
cleanup.defer(() => rmSync(folder, { recursive: true, force: true }));

const suiteFolder = process.env.HTTP_CACHE_TESTS ?? fetchSuite();
const originPort = await freePort();
const origin = spawn(process.execPath, ["server/server.mjs"], {
  cwd: suiteFolder,
  env: {
    ...process.env,
    npm_config_protocol: "http",
    npm_config_port: String(originPort),
    npm_config_pidfile: join(folder, "origin.pid"),
  },
  stdio: "ignore",
});
cleanup.defer(() => void origin.kill());
await untilListening(originPort);

const suite = await loadSuite(suiteFolder);
const results: [name: string, judged: Judged][] = [];
const proxy = await startMeshProxy(`http://127.0.0.1:${originPort}`);
results.push(["meshcache", await run(proxy)]);
if (values.peers) {
  for await (const peer of startPeers(originPort, folder)) {
    await using running = peer;
    results.push([running.name, await run(`http://127.0.0.1:${running.port}`)]);
  }
}

const table = toTable(results);
console.log(table);
if (values.write) writeTable(table);
const [, own] = results[0] ?? ["", undefined];
const failed = own?.failed ?? [];
const unnamed = failed.filter(({ id }) => !(id in named));
const passing = Object.keys(named).filter((id) => own?.ids.has(id) && !failed.some((test) => test.id === id));
for (const { id, text } of unnamed)
  console.error(`fails, and indicates a conformance problem: ${id}: ${text}`);
for (const id of passing) console.error(`is named, and passes: ${id}`);
process.exitCode = unnamed.length + passing.length > 0 ? 1 : 0;

async function run(base: string): Promise<Judged> {
  return judge(suite, await runSuite(suite, base));
}

/** Without what the package depends on: that is for its page. */
function fetchSuite(): string {
  const tarball = execFileSync("npm", ["pack", "--silent", PACKAGE], {
    cwd: folder,
    encoding: "utf8",
  }).trim();
  execFileSync("tar", ["-xzf", tarball], { cwd: folder });
  return join(folder, "package");
}

/** The command as a user starts it, before a server as one starts it. */
async function startMeshProxy(originUrl: string): Promise<string> {
  const [cachePort, port] = [await freePort(), await freePort()];
  const start = (...argv: string[]) => {
    const child = spawn(process.execPath, ["src/cli/launch.ts", ...argv], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    cleanup.defer(async () => {
      child.kill();
      await once(child, "exit");
    });
  };
  start("serve", "--listen", `127.0.0.1:${cachePort}`, "--admin", "off", "--log-level", "warn");
  await untilListening(cachePort);
  start("proxy", "--origin", originUrl, "--listen", `127.0.0.1:${port}`, "--cache", `127.0.0.1:${cachePort}`);
  await untilListening(port);
  return `http://127.0.0.1:${port}`;
}

function toTable(all: readonly (readonly [string, Judged])[]): string {
  const header =
    "| cache | passed | of | conformance | optional | behaviour that is asked about |\n|---|---:|---:|---:|---:|---:|";
  const rows = all.map(([name, { passed, ids, kinds }]) => {
    const share = (kind: "required" | "optimal" | "check") => `${kinds[kind].passed}/${kinds[kind].all}`;
    return `| ${name} | ${passed} | ${ids.size} | ${share("required")} | ${share("optimal")} | ${share("check")} |`;
  });
  return [header, ...rows].join("\n");
}

function writeTable(text: string): void {
  const document = readFileSync(DOCUMENT, "utf8");
  const marked = /(<!-- results -->\n)[\s\S]*?(<!-- \/results -->)/;
  writeFileSync(
    DOCUMENT,
    document.replace(marked, (_, begin: string, end: string) => `${begin}${text}\n${end}`),
  );
}
