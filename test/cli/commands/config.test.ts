import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { ceilingBytes } from "../../../src/cli/settings/memory-model.ts";
import { toFlag } from "../../../src/cli/settings/names.ts";
import { toQuantity } from "../../../src/cli/settings/quantity.ts";
import { SETTING_NAMES, settingsSchema } from "../../../src/cli/settings/settings.ts";
import { toMarkdownTable } from "../../../src/cli/settings/table.ts";
import type { Bound } from "../../../src/common/bound.ts";
import { DEFAULT_ADDRESS } from "../../../src/common/host-port.ts";
import { LIMIT_BOUNDS } from "../../../src/rpc/limits.ts";
import { SECURITY_BOUNDS } from "../../../src/security/security.ts";
import { ADMIN_CONNECTIONS_BOUND } from "../../../src/server/limits/admin-limits.ts";
import { TRANSPORT_BOUNDS } from "../../../src/server/limits/transport-limits.ts";
import { WORKERS_BOUND } from "../../../src/server/workers/thread-ports.ts";
import { SNAPSHOT_BOUNDS } from "../../../src/snapshot/bounds.ts";
import { DEFAULT_STORE_ENGINE, STORE_BOUNDS } from "../../../src/store/engine/store-options.ts";
import { DEFAULT_LOG_LEVEL } from "../../../src/telemetry/logger.ts";
import { TIER_BOUNDS } from "../../../src/tier/options.ts";
import { runCommand } from "../../support/command-line.ts";

/** Options of the store whose settings have another name. */
const STORE_SETTINGS: Readonly<Record<string, string>> = {
  budgetBytes: "storeBudgetBytes",
  waitersMax: "leaseWaitersMax",
};

/** The bound of each setting that is a number, by the setting's name, where it is enforced. */
const enforced: ReadonlyMap<string, Bound> = new Map([
  ...Object.entries({
    workers: WORKERS_BOUND,
    adminConnectionsMax: ADMIN_CONNECTIONS_BOUND,
    securityReloadMs: SECURITY_BOUNDS.reloadMs,
    snapshotMaxAgeMs: SNAPSHOT_BOUNDS.maxAgeMs,
    tierOperationMaxMs: TIER_BOUNDS.operationMaxMs,
    ...LIMIT_BOUNDS,
    ...TRANSPORT_BOUNDS,
  }),
  ...Object.entries(STORE_BOUNDS).map(([name, bound]): [string, Bound] => [
    STORE_SETTINGS[name] ?? name,
    bound,
  ]),
]);

/** The settings that are not a number, and their defaults. */
const words: ReadonlyMap<string, string | boolean | object> = new Map<string, string | boolean | object>([
  ["listen", DEFAULT_ADDRESS],
  ["admin", "127.0.0.1:9464"],
  ["adminHosts", ""],
  ["http", "off"],
  ["httpHosts", ""],
  ["httpOrigins", ""],
  ["console", "on"],
  ["consoleWrite", false],
  ["consoleTraceUrl", ""],
  ["consolePrometheus", ""],
  ["consolePrometheusLabels", 'job="meshcache"'],
  ["logLevel", DEFAULT_LOG_LEVEL],
  ["storeEngine", DEFAULT_STORE_ENGINE],
  ["acceleration", "on"],
  ["tlsCert", ""],
  ["tlsKey", ""],
  ["tlsClientCa", ""],
  ["tokens", ""],
  ["jwtIssuers", ""],
  ["policy", ""],
  ["snapshot", ""],
  ["tier", ""],
  ["tierTls", false],
  ["tierCa", ""],
  ["tierCert", ""],
  ["tierKey", ""],
  ["tierUser", ""],
  ["tierPasswordFile", ""],
  ["tierStart", "wait"],
  ["tlsMinVersion", "TLSv1.3"],
  ["adminTls", "on"],
  ["plaintext", false],
  ["anonymous", false],
  ["namespaces", {}],
]);

/** The defaults that depend on something, in words. */
const dependent: ReadonlyMap<string, string> = new Map([
  ["workers", "all cores"],
  ["connectionMaxSubscriptions", "connectionMaxStreams"],
  ["adminHosts", "none"],
  ["httpHosts", "none"],
  ["httpOrigins", "none"],
  ["consoleTraceUrl", "none"],
  ["consolePrometheus", "none"],
  ["tlsCert", "none"],
  ["tlsKey", "none"],
  ["tlsClientCa", "none"],
  ["tokens", "none"],
  ["jwtIssuers", "none"],
  ["policy", "none"],
  ["snapshot", "none"],
  ["tier", "none"],
  ["tierCa", "none"],
  ["tierCert", "none"],
  ["tierKey", "none"],
  ["tierUser", "none"],
  ["tierPasswordFile", "none"],
  ["namespaces", "none"],
  ["residentMaxBytes", "the ceiling"],
]);

function rangeOf(name: string, { fallback, min, max }: Bound): string {
  const unit = name.endsWith("Bytes") ? "bytes" : name.endsWith("Ms") ? "ms" : "";
  const [from, to, initial] = [min, max, fallback].map((value) => toQuantity(value, unit));
  return `${from} to ${to}; default ${dependent.get(name) ?? initial}`;
}

describe("the settings", () => {
  it("are every bound of the server, and nothing else", () => {
    expect([...enforced.keys(), ...words.keys()].sort()).toEqual([...SETTING_NAMES].sort());
  });

  it.each([...enforced])("%s has the range and the default of what it sets", (name, bound) => {
    const { fallback, min, max } = bound;
    const isValid = (value: number) => settingsSchema.safeParse({ [name]: value }).success;
    expect([min - 1, min, fallback, max, max + 1].map(isValid)).toEqual([false, true, true, true, false]);
    expect(settingsSchema.parse({})).toMatchObject({ [name]: fallback });
  });

  it("are shown with their ranges and defaults by serve --help", async () => {
    const [, ...texts] = (await runCommand(["serve", "--help"])).stdout.replace(/\s+/g, " ").split(/ (?=--)/);
    const shown = (name: string) => texts.find((text) => text.startsWith(`${toFlag(name)} `)) ?? "";
    for (const [name, bound] of enforced) expect(shown(name)).toContain(`(${rangeOf(name, bound)})`);
    for (const [name, initial] of words) {
      expect(shown(name)).toContain(`; default ${dependent.get(name) ?? initial})`);
    }
  });

  it("are printed with their defaults by config print", async () => {
    const { stdout } = await runCommand(["config", "print", "--workers", "1", "--json"]);
    const printed = stdout.trimEnd().split("\n");
    const values = printed.map((line): { name: string; value: unknown } => JSON.parse(line));
    const defaults = [...enforced].map(([name, { fallback }]): [string, unknown] => [name, fallback]);
    const fitted: [string, unknown] = [
      "residentMaxBytes",
      ceilingBytes(settingsSchema.parse({ workers: 1 })),
    ];
    expect(new Map(values.map(({ name, value }) => [name, value]))).toEqual(
      new Map([...defaults, ...words, fitted]),
    );
  });

  it("are in docs/configuration.md as they are in the code", () => {
    const [, section = ""] = readFileSync("docs/configuration.md", "utf8").split("\n## All settings\n");
    const [rest = ""] = section.split("\n## ");
    const table = rest.split("\n").filter((line) => line.startsWith("|"));
    expect(table).toEqual(toMarkdownTable().split("\n"));
  });
});

describe("meshcache config print", () => {
  it("prints each value with its source, as a file and as JSON lines", async () => {
    const env = { MESHCACHE_SHARDS: "4" };
    const argv = ["config", "print", "--listen", "127.0.0.2:7000"];
    const { exitCode, stdout } = await runCommand(argv, { env });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^listen: 127\.0\.0\.2:7000 +# --listen$/m);
    expect(stdout).toMatch(/^shards: 4 +# MESHCACHE_SHARDS$/m);
    expect(stdout).toMatch(/^valueMaxBytes: 1048576 +# default$/m);
    const json = await runCommand([...argv, "--json"], { env });
    const lines = json.stdout
      .trimEnd()
      .split("\n")
      .map((line): unknown => JSON.parse(line));
    expect(lines).toHaveLength(SETTING_NAMES.length);
    expect(lines).toContainEqual({ name: "shards", value: 4, source: "MESHCACHE_SHARDS" });
  });

  it("reads the file of --config or MESHCACHE_CONFIG, and reports every fault of every source", async () => {
    const folder = mkdtempSync(join(tmpdir(), "meshcache-config-"));
    const path = join(folder, "mesh.yaml");
    writeFileSync(path, "shards: 4\nshard: 5\n");
    const argv = ["config", "print", "--value-max-bytes", "much"];
    const failed = await runCommand(argv, { env: { MESHCACHE_CONFIG: path, MESHCACHE_FOO: "1" } });
    expect(failed).toMatchObject({ exitCode: 2, stdout: "" });
    expect(failed.stderr.split("\n")).toEqual([
      "meshcache: 3 faults in the configuration; nothing was started",
      `  ${path}:2 shard: is not a setting of meshcache`,
      "  MESHCACHE_FOO: is not a setting of meshcache",
      expect.stringMatching(
        /^ {2}--value-max-bytes: must be bytes, or a size such as "64MiB", from 1 B to 64 MiB$/,
      ),
      "",
    ]);
    writeFileSync(path, "shards: 4\n");
    expect((await runCommand(["config", "print", "--config", path])).stdout).toContain(`# ${path}:1 shards`);
    rmSync(folder, { recursive: true });
  });
});
