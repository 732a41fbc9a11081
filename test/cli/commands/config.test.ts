import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { SETTING_NAMES, settingsSchema } from "../../../src/cli/settings/settings.ts";
import { toMarkdownTable } from "../../../src/cli/settings/table.ts";
import { resolveLimits } from "../../../src/rpc/limits.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { resolveStoreOptions } from "../../../src/store/engine/store-options.ts";
import { runCommand } from "../../support/command-line.ts";

describe("the settings", () => {
  it("have the defaults of what they set, and cover every limit", () => {
    const settings: Record<string, unknown> = settingsSchema.parse({});
    expect(settings).toMatchObject({ ...resolveLimits() });
    expect(settings).toMatchObject({ ...resolveTransportLimits() });
    const { engine, budgetBytes, waitersMax, clock, rng, ...store } = resolveStoreOptions();
    expect(settings).toMatchObject({ ...store, storeBudgetBytes: budgetBytes, leaseWaitersMax: waitersMax });
  });

  it("are in the README as they are in the code", () => {
    const [, section = ""] = readFileSync("README.md", "utf8").split("\n## Configuration\n");
    const [rest = ""] = section.split("\n## ");
    const table = rest.split("\n").filter((line) => line.startsWith("|"));
    expect(table).toEqual(toMarkdownTable().split("\n"));
  });
});

describe("meshcache config print", () => {
  it("prints each value with its source, as a file and as JSON lines", async () => {
    const env = { MESHCACHE_SHARDS: "4" };
    const argv = ["config", "print", "--listen", "0.0.0.0:7000"];
    const { exitCode, stdout } = await runCommand(argv, { env });
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/^listen: 0\.0\.0\.0:7000 +# --listen$/m);
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
      `  ${path}:2 shard: is no setting of meshcache`,
      "  MESHCACHE_FOO: is no setting of meshcache",
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
