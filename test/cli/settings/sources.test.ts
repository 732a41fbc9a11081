import { describe, expect, it } from "vitest";
import type { ResolvedSettings } from "../../../src/cli/settings/conflicts.ts";
import type { Machine } from "../../../src/cli/settings/machine.ts";
import { toFlag, toVariable } from "../../../src/cli/settings/names.ts";
import { SETTING_NAMES } from "../../../src/cli/settings/settings.ts";
import { resolveSettings, SettingsError } from "../../../src/cli/settings/sources.ts";
import { toYaml } from "../../../src/cli/settings/table.ts";
import { machineOf } from "../../support/command-line.ts";

interface Given {
  readonly flags?: Record<string, string>;
  readonly env?: Record<string, string>;
  readonly file?: string;
  readonly machine?: Machine;
}

const twoCores = machineOf();

function resolve({ flags = {}, env = {}, file, machine = twoCores }: Given): ResolvedSettings {
  return resolveSettings({
    flags,
    env,
    filePath: file === undefined ? undefined : "mesh.yaml",
    readFile: () => file ?? "",
    machine,
  });
}

function faultsOf(given: Given): string[] {
  try {
    resolve(given);
  } catch (error) {
    if (error instanceof SettingsError)
      return error.faults.map(({ where, message }) => `${where}: ${message}`);
    throw error;
  }
  return [];
}

describe("resolveSettings()", () => {
  it("prefers a flag to the environment, to the file, to the default", () => {
    const file = "shards: 2\nkeyMaxBytes: 100\nvalueMaxBytes: 1000\n";
    const env = { MESHCACHE_SHARDS: "3", MESHCACHE_KEY_MAX_BYTES: "200" };
    const { values, originOf } = resolve({ flags: { shards: "4" }, env, file });
    expect([values.shards, originOf("shards")]).toEqual([4, "--shards"]);
    expect([values.keyMaxBytes, originOf("keyMaxBytes")]).toEqual([200, "MESHCACHE_KEY_MAX_BYTES"]);
    expect([values.valueMaxBytes, originOf("valueMaxBytes")]).toEqual([1000, "mesh.yaml:3 valueMaxBytes"]);
    expect([values.listen, originOf("listen")]).toEqual(["127.0.0.1:50051", "default"]);
  });

  it("reads sizes and times with their units", () => {
    const { values } = resolve({
      flags: { storeBudgetBytes: "1.5GiB" },
      env: { MESHCACHE_DRAIN_MAX_MS: "30s" },
      file: "valueMaxBytes: 64KiB\n",
    });
    expect(values.storeBudgetBytes).toBe(1.5 * 1024 ** 3);
    expect(values.drainMaxMs).toBe(30_000);
    expect(values.valueMaxBytes).toBe(65_536);
  });

  it("takes the booleans that Helm makes of off and on, where these are words of a setting", () => {
    const { values } = resolve({ file: "console: false\nadmin: false\nhttp: false\nacceleration: true\n" });
    expect([values.console, values.admin, values.http, values.acceleration]).toEqual([
      "off",
      "off",
      "off",
      "on",
    ]);
    expect(faultsOf({ file: "logLevel: false\nlisten: false\nadmin: true\ntierStart: true\n" })).toHaveLength(
      4,
    );
  });

  it("names every fault of every source at once", () => {
    const faults = faultsOf({
      flags: { shards: "many", logLevel: "loud" },
      env: { MESHCACHE_LISTEN: "nowhere", MESHCACHE_SHARD: "3" },
      file: "keyMaxByte: 3\n\nstoreBudgetBytes: [1]\nadmin: 3\n",
    });
    expect(faults).toHaveLength(7);
    expect(faults.join("\n")).toContain("--shards: must be a whole number, from 1 to ");
    expect(faults.join("\n")).toContain("--log-level: must be one of ");
    expect(faults.join("\n")).toContain("MESHCACHE_LISTEN: must be HOST:PORT");
    expect(faults).toContain("MESHCACHE_SHARD: is not a setting of meshcache");
    expect(faults).toContain("mesh.yaml:1 keyMaxByte: is not a setting of meshcache");
    expect(faults.join("\n")).toContain("mesh.yaml:3 storeBudgetBytes: must be bytes");
    expect(faults.join("\n")).toContain("mesh.yaml:4 admin: must be HOST:PORT");
  });

  it("finds a fault in a value that another source overrides", () => {
    expect(faultsOf({ flags: { shards: "4" }, file: "shards: 0\n" })).toHaveLength(1);
  });

  it("reports a file that cannot be read, and the other faults too", () => {
    const missing = () => {
      throw Object.assign(new Error("no"), { code: "ENOENT" });
    };
    const resolveMissing = () =>
      resolveSettings({
        flags: { shards: "x" },
        env: {},
        filePath: "gone.yaml",
        readFile: missing,
        machine: twoCores,
      });
    expect(resolveMissing).toThrow(/gone\.yaml: cannot be read \(ENOENT\).*--shards/);
  });

  it("refuses a duplicate key, a list and a broken file, naming the line", () => {
    expect(faultsOf({ file: "shards: 3\nshards: 4\n" })).toEqual(["mesh.yaml:2: Map keys must be unique"]);
    expect(faultsOf({ file: "- shards\n" })).toEqual(["mesh.yaml: must be a mapping of settings"]);
    expect(faultsOf({ file: "shards: {\n" })[0]).toMatch(/^mesh\.yaml:/);
  });

  it("accepts an empty file", () => {
    expect(faultsOf({ file: "" })).toEqual([]);
    expect(faultsOf({ file: "# nothing yet\n" })).toEqual([]);
  });

  it("refuses settings that contradict each other, naming their source", () => {
    const faults = faultsOf({ env: { MESHCACHE_VALUE_MAX_BYTES: "8MiB" } });
    expect(faults.length).toBeGreaterThan(0);
    expect(faults[0]).toMatch(/^MESHCACHE_VALUE_MAX_BYTES: valueMaxBytes \(8 MiB\) must not be greater than/);
  });

  it.each([
    [
      { receiveMaxBytes: "33MiB" },
      "--receive-max-bytes: receiveMaxBytes (33 MiB) must not be greater than connectionMaxHeldBytes (32 MiB)",
    ],
    [
      { receiveMaxBytes: "113MiB", connectionMaxHeldBytes: "128MiB" },
      "--receive-max-bytes: receiveMaxBytes (113 MiB) must not be greater than seven eighths of heldMaxBytes (128 MiB), 112 MiB: the rest is for answers",
    ],
    [
      { heldMaxBytes: "2MiB", connectionMaxHeldBytes: "2MiB" },
      "--held-max-bytes: receiveMaxBytes (2.5 MiB) must not be greater than seven eighths of heldMaxBytes (2 MiB), 1,835,008 bytes: the rest is for answers",
    ],
    [{ keyMaxBytes: "3MiB" }, "--key-max-bytes: must be bytes"],
    [
      { keyMaxBytes: "2KiB", batchMaxBytes: "1KiB", valueMaxBytes: "1KiB" },
      "--key-max-bytes: keyMaxBytes (2 KiB) must not be greater than batchMaxBytes (1 KiB)",
    ],
    [
      { tagMaxBytes: "2KiB", entryMaxTags: "1", batchMaxBytes: "1KiB", valueMaxBytes: "1KiB" },
      "--tag-max-bytes: tagMaxBytes (2 KiB) must not be greater than batchMaxBytes (1 KiB)",
    ],
    [
      { residentMaxBytes: "200MiB" },
      "--resident-max-bytes: storeBudgetBytes (256 MiB) must not be greater than residentMaxBytes (200 MiB)",
    ],
  ])("refuses %j: a size that could never be used", (flags, fault) => {
    expect(faultsOf({ flags }).join("\n")).toContain(fault);
  });

  it("takes sizes that just fit", () => {
    expect(faultsOf({ flags: { receiveMaxBytes: "32MiB" } })).toEqual([]);
    expect(faultsOf({ flags: { receiveMaxBytes: "112MiB", connectionMaxHeldBytes: "128MiB" } })).toEqual([]);
    expect(faultsOf({ flags: { residentMaxBytes: "0" } })).toEqual([]);
  });

  it("takes the bounds of namespaces as a map of the file, or as text, and prints them as a file", () => {
    const file = "namespaces:\n  users: { floorBytes: 16MiB }\n  import-*:\n    ceilingBytes: 64MiB\n";
    const { values, originOf } = resolve({ file });
    const bounds = { users: { floorBytes: 2 ** 24 }, "import-*": { ceilingBytes: 2 ** 26 } };
    expect([values.namespaces, originOf("namespaces")]).toEqual([bounds, "mesh.yaml:1 namespaces"]);
    expect(resolve({ flags: { namespaces: "{users: {floorBytes: 16MiB}}" } }).values.namespaces).toEqual({
      users: { floorBytes: 2 ** 24 },
    });
    expect(resolve({ file: toYaml(resolve({ file })) }).values.namespaces).toEqual(bounds);
  });

  it.each([
    ["users: 5", "namespaces must be a map"],
    ["users: { floorBytes: 300MiB }", "floors of at most 268435456 bytes"],
    ["users-*: { floorBytes: 1MiB }", "a full name"],
    ["users: { floorBytes: 2MiB, ceilingBytes: 1MiB }", "at most its ceiling"],
    ["users: { most: 2MiB }", "must be a map"],
    ["Users: { ceilingBytes: 2MiB }", "must be a map"],
  ])("refuses bounds of namespaces such as %s", (line, message) => {
    const [fault = ""] = faultsOf({ file: `namespaces:\n  ${line}\n` });
    expect(fault).toContain("mesh.yaml:1 namespaces");
    expect(fault).toContain(message.replace("namespaces must", "must"));
  });

  it("refuses keys and tags that the off-heap engine has no room for, and values that a shard has none for", () => {
    const tags = { env: { MESHCACHE_TAG_MAX_BYTES: "4KiB" } };
    expect(faultsOf(tags)[0]).toContain("storeEngine offheap keeps 16 KiB");
    expect(faultsOf({ env: { ...tags.env, MESHCACHE_STORE_ENGINE: "lru", MESHCACHE_WORKERS: "1" } })).toEqual(
      [],
    );
    const value = {
      valueMaxBytes: "16MiB",
      batchMaxBytes: "32MiB",
      receiveMaxBytes: "64MiB",
      sendMaxBytes: "64MiB",
    };
    const faults = faultsOf({ flags: value });
    expect(faults.join()).toContain(
      "--value-max-bytes: valueMaxBytes (16 MiB) must not be greater than half",
    );
    expect(faultsOf({ flags: { ...value, shards: "4" } }).join()).not.toContain("valueMaxBytes");
  });

  it.each([
    ["consolePrometheus", "prometheus:9090"],
    ["consolePrometheus", "http://me:secret@prometheus:9090"],
    ["consolePrometheus", "http://prometheus:9090/?x=1"],
    ["consolePrometheusLabels", "job=meshcache"],
    ["consolePrometheusLabels", 'job="meshcache",'],
    ["consolePrometheusLabels", 'job="meshcache"} or up{job="other"'],
  ])("refuses %s: %s", (name, text) => {
    expect(faultsOf({ flags: { [name]: text } })).toEqual([
      expect.stringContaining(`${toFlag(name)}: must be`),
    ]);
  });

  it.each([
    ["consolePrometheus", "https://metrics.example/prometheus"],
    ["consolePrometheusLabels", ""],
    ["consolePrometheusLabels", 'job=~"mesh.*",instance!="a\\"b"'],
  ])("takes %s: %s", (name, text) => {
    expect(faultsOf({ flags: { [name]: text } })).toEqual([]);
  });

  it("refuses a budget that is too small for the shards", () => {
    const given = { flags: { storeBudgetBytes: "2MiB" }, env: { MESHCACHE_SHARDS: "64" } };
    expect(faultsOf(given)).toEqual([
      "--store-budget-bytes: storeBudgetBytes (2 MiB) must be 4 MiB to 137,434,759,168 bytes with 64 shards",
    ]);
  });

  it("refuses a budget that is too large for the shards, and says what more shards allow", () => {
    expect(faultsOf({ flags: { storeBudgetBytes: "32GiB" } })).toEqual([
      "--store-budget-bytes: storeBudgetBytes (32 GiB) must be 1 MiB to 34,358,689,792 bytes with 16 shards; " +
        "up to 549,739,036,672 bytes with more shards",
    ]);
    expect(faultsOf({ flags: { storeBudgetBytes: "32GiB", shards: "17" } })).toEqual([]);
    expect(faultsOf({ flags: { storeBudgetBytes: "32GiB", storeEngine: "lru" } })).toEqual([]);
  });

  it("has a worker for each core, where more than one is possible", () => {
    const workersOf = (given: Given) => resolve(given).values.workers;
    expect(workersOf({ machine: machineOf({ cores: 12, platform: "linux" }) })).toBe(12);
    expect(workersOf({ machine: machineOf({ cores: 400, platform: "freebsd" }) })).toBe(256);
    expect(workersOf({ machine: machineOf({ cores: 12, platform: "darwin" }) })).toBe(1);
    expect(workersOf({ flags: { storeEngine: "lru" } })).toBe(1);
    expect(workersOf({ env: { MESHCACHE_WORKERS: "3" } })).toBe(3);
    expect(resolve({}).originOf("workers")).toBe("default");
  });

  it("serves as many streaming calls a connection as it advertises, unless told otherwise", () => {
    const subscriptionsOf = (given: Given) => resolve(given).values.connectionMaxSubscriptions;
    expect(subscriptionsOf({})).toBe(256);
    expect(subscriptionsOf({ flags: { connectionMaxStreams: "1000" } })).toBe(1_000);
    const env = { MESHCACHE_CONNECTION_MAX_SUBSCRIPTIONS: "16" };
    expect(subscriptionsOf({ env, flags: { connectionMaxStreams: "1000" } })).toBe(16);
    expect(resolve({}).originOf("connectionMaxSubscriptions")).toBe("default");
  });

  it("refuses several workers where only one is possible, naming the reason", () => {
    expect(faultsOf({ flags: { workers: "3", storeEngine: "lru" } })).toEqual([
      "--workers: workers (3) must be 1 with storeEngine lru",
    ]);
    expect(faultsOf({ file: "workers: 2", machine: machineOf({ cores: 8, platform: "win32" }) })).toEqual([
      "mesh.yaml:1 workers: workers (2) must be 1 on win32, where no port can be shared",
    ]);
    expect(faultsOf({ flags: { workers: "257" } })).toEqual([
      "--workers: must be a whole number, from 1 to 256",
    ]);
    expect(faultsOf({ flags: { workers: "1", storeEngine: "lru" } })).toEqual([]);
  });

  it("ignores the variables of Kubernetes and of other commands", () => {
    const env = {
      MESHCACHE_PORT: "tcp://10.0.0.1:50051",
      MESHCACHE_PORT_50051_TCP_ADDR: "10.0.0.1",
      MESHCACHE_SERVICE_HOST: "10.0.0.1",
      MESHCACHE_SERVICE_PORT_GRPC: "50051",
      MESHCACHE_ADDRESS: "127.0.0.1:1",
      MESHCACHE_NAMESPACE: "users",
    };
    expect(faultsOf({ env })).toEqual([]);
  });

  it("gives every setting a flag and a variable of its own", () => {
    expect(new Set(SETTING_NAMES.map(toFlag)).size).toBe(SETTING_NAMES.length);
    expect(new Set(SETTING_NAMES.map(toVariable)).size).toBe(SETTING_NAMES.length);
    expect(toFlag("valueMaxBytes")).toBe("--value-max-bytes");
    expect(toVariable("valueMaxBytes")).toBe("MESHCACHE_VALUE_MAX_BYTES");
  });
});

describe("toYaml()", () => {
  it("is a file with the same settings", () => {
    const settled = resolve({ flags: { shards: "4", admin: "off" }, env: { MESHCACHE_KEY_MAX_BYTES: "64" } });
    const again = resolve({ file: toYaml(settled) });
    expect(again.values).toEqual(settled.values);
    expect(toYaml(settled)).toMatch(/^shards: 4 +# --shards$/m);
  });
});
