import { describe, expect, it } from "vitest";
import { tagCountsBytes } from "../../../src/store/fences/tag-counts.ts";
import { machineOf, runCommand, startCommand } from "../../support/command-line.ts";

const MIB = 2 ** 20;
const SHARDS = 16;
/** Of a shard, when its budget doubles. */
const TAG_COUNTS_GROWTH = tagCountsBytes((512 * MIB) / SHARDS) - tagCountsBytes((256 * MIB) / SHARDS);
const small = machineOf({
  cores: 4,
  memoryBytes: { value: 512 * MIB, path: "/cg/memory.max" },
  cpus: { value: 1.5, path: "/cg/cpu.max" },
});

describe("L6: meshcache sizing", () => {
  it("adds the parts up to a ceiling, and a container that has room for it", async () => {
    const { exitCode, stdout } = await runCommand(["sizing", "--json", "--workers", "2"]);
    expect(exitCode).toBe(0);
    const { parts, ...sums } = JSON.parse(stdout);
    const sizes: number[] = parts.map(({ bytes }: { bytes: number }) => bytes);
    expect(sums).toMatchObject({ memoryLimit: null, cpuQuota: null, cores: 2, fits: true, fitted: [] });
    expect(sizes.reduce((sum, bytes) => sum + bytes, 0)).toBe(sums.ceilingBytes);
    expect(sums.containerBytes).toBeGreaterThan(sums.ceilingBytes);
    expect(sums.idleBytes).toBeLessThan(sums.ceilingBytes);
    expect(sizes).toContain(256 * MIB);
  });

  it.each([
    ["--store-budget-bytes", "512MiB", 256 * MIB + SHARDS * TAG_COUNTS_GROWTH],
    ["--queues-max-bytes", "65MiB", MIB],
    ["--connections-max", "10001", 48 * 1024],
    ["--workers", "3", 180 * MIB],
  ])("counts %s %s", async (flag, value, more) => {
    const ceilingOf = async (...argv: string[]): Promise<number> =>
      JSON.parse((await runCommand(["sizing", "--json", ...argv])).stdout).ceilingBytes;
    expect((await ceilingOf(flag, value)) - (await ceilingOf())).toBe(more);
  });

  it("counts what each shard remembers", async () => {
    const ceilingOf = async (...argv: string[]): Promise<number> =>
      JSON.parse((await runCommand(["sizing", "--json", ...argv])).stdout).ceilingBytes;
    const usual = await ceilingOf();
    const smaller: [string, string][] = [
      ["--log-max-bytes", "1MiB"],
      ["--leases-max", "16"],
      ["--tombstones-max", "16"],
      ["--tag-fences-max", "16"],
      ["--prefix-fences-max", "2"],
      ["--request-ids-max", "16"],
      ["--shards", "4"],
    ];
    for (const argv of smaller) expect(await ceilingOf(...argv), argv[0]).toBeLessThan(usual);
  });

  it("has time for a larger store, a longer drain and a slow disk, where there is a snapshot", async () => {
    const boundsOf = async (...argv: string[]) =>
      JSON.parse((await runCommand(["sizing", "--json", ...argv])).stdout);
    const none = await boundsOf();
    expect(none).toMatchObject({ snapshotMaxBytes: 0, stopMaxMs: 20_000, startMaxMs: 30_000 });
    const snapshot = ["--snapshot", "/var/lib/meshcache/snapshot"];
    const usual = await boundsOf(...snapshot);
    const large = await boundsOf(...snapshot, "--store-budget-bytes", "4GiB");
    const more = (large.snapshotMaxBytes - usual.snapshotMaxBytes) / (32 * MIB);
    expect(more).toBeGreaterThan((4_096 - 256) / 32);
    for (const time of ["stopMaxMs", "startMaxMs"]) {
      expect(usual[time] - none[time]).toBeGreaterThanOrEqual((usual.snapshotMaxBytes / (32 * MIB)) * 1_000);
      expect(Math.abs((large[time] - usual[time]) / 1_000 - more)).toBeLessThanOrEqual(1);
    }
    expect((await boundsOf("--drain-max-ms", "1m")).stopMaxMs).toBe(70_000);
    const { stdout } = await runCommand(["sizing", ...snapshot]);
    expect(stdout).toMatch(/^ {2}snapshot {7}at most 6\d\d MiB$/m);
    expect(stdout).toMatch(/^ {2}stop in order {2}at most \d\d s$/m);
    expect(stdout).toMatch(/^ {2}start {10}at most \d\d s$/m);
  });

  it("shows people the limits, and the defaults that follow them", async () => {
    const { stdout } = await runCommand(["sizing"], { machine: small });
    expect(stdout).toMatch(/^Give a container for these settings (50\d|51[0-2]) MiB of memory\.$/m);
    expect(stdout).toMatch(
      /^ {2}memory limit {2}512 MiB \(\/cg\/memory\.max\), which has room for the ceiling$/m,
    );
    expect(stdout).toMatch(/^ {2}CPU quota {5}1\.5 \(\/cg\/cpu\.max\), 4 cores$/m);
    expect(stdout).toMatch(/^ {2}busyPollMaxMs +0 ms +default: CPU quota of 1\.5 \(\/cg\/cpu\.max\)$/m);
    expect(stdout).toMatch(/^ {2}workers +1 +default: CPU quota of 1\.5/m);
  });

  it("says that settings do not fit, and does not refuse them", async () => {
    const argv = ["sizing", "--store-budget-bytes", "1GiB"];
    const { exitCode, stdout } = await runCommand(argv, { machine: small });
    expect(exitCode).toBe(0);
    expect(stdout).toContain("less than the ceiling needs");
    const json = JSON.parse((await runCommand([...argv, "--json"], { machine: small })).stdout);
    expect(json).toMatchObject({ fits: false, memoryLimit: { value: 512 * MIB, path: "/cg/memory.max" } });
  });

  it("refuses settings that serve would refuse", async () => {
    expect(await runCommand(["sizing", "--shards", "0"])).toMatchObject({ exitCode: 2, stdout: "" });
  });
});

describe("L6: the other commands under limits", () => {
  it("print where a fitted default comes from, as a file with the same settings", async () => {
    const { stdout } = await runCommand(["config", "print"], { machine: small });
    expect(stdout).toMatch(/^busyPollMaxMs: 0 +# default: CPU quota of 1\.5 \(\/cg\/cpu\.max\)$/m);
    expect(stdout).toMatch(
      /^storeBudgetBytes: \d+ +# default: memory limit of 512 MiB \(\/cg\/memory\.max\)$/m,
    );
  });

  it("warn of a budget that does not fit, with the figures, and serve", async () => {
    const warningOf = async (...flags: string[]): Promise<unknown> => {
      const argv = ["serve", "--listen", "127.0.0.1:0", "--admin", "off", "--workers", "1", ...flags];
      const { stdout, stderr, exitCode, interrupt } = startCommand(argv, { machine: small });
      await stdout.until(/Try it/);
      interrupt("SIGTERM");
      expect(await exitCode).toBe(0);
      return stderr
        .lines()
        .map((line): { level: string } => JSON.parse(line))
        .find(({ level }) => level === "warn");
    };
    expect(await warningOf()).toBeUndefined();
    expect(await warningOf("--store-budget-bytes", "1GiB")).toMatchObject({
      storeBudgetBytes: 1_024 * MIB,
      ceilingBytes: expect.any(Number),
      memoryLimitBytes: 512 * MIB,
      memoryLimitFrom: "/cg/memory.max",
    });
  });
});
