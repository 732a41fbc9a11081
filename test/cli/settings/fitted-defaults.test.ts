import { describe, expect, it } from "vitest";
import type { ResolvedSettings } from "../../../src/cli/settings/conflicts.ts";
import type { Machine } from "../../../src/cli/settings/machine.ts";
import { ceilingBytes, usableBytes } from "../../../src/cli/settings/memory-model.ts";
import { SETTING_NAMES } from "../../../src/cli/settings/settings.ts";
import { resolveSettings } from "../../../src/cli/settings/sources.ts";
import { machineOf } from "../../support/command-line.ts";

const MIB = 2 ** 20;
const memoryOf = (mebibytes: number) => ({ value: mebibytes * MIB, path: "/cg/memory.max" });
const quotaOf = (value: number) => ({ value, path: "/cg/cpu.max" });

function resolve(machine: Partial<Machine>, flags: Record<string, string> = {}): ResolvedSettings {
  return resolveSettings({
    flags,
    env: {},
    filePath: undefined,
    readFile: () => "",
    machine: machineOf(machine),
  });
}

const usual = resolve({}).values;

describe("L6: the defaults under a memory limit", () => {
  it.each(
    [512, 600, 768, 1_024, 1_500, 2_048, 4_096, 65_536].flatMap((limit) =>
      [1, 2, 4, 64].map((cores) => [limit, cores]),
    ),
  )("of %i MiB on %i cores fit it", (limit = 0, cores = 0) => {
    const memoryBytes = memoryOf(limit);
    const { values } = resolve({ cores, memoryBytes });
    expect(ceilingBytes(values)).toBeLessThanOrEqual(usableBytes(memoryBytes));
    const share = Math.min(usual.storeBudgetBytes, usableBytes(memoryBytes) / (limit < 600 ? 16 : 8));
    expect(values.storeBudgetBytes).toBeGreaterThan(share - MIB);
    expect(values.storeBudgetBytes).toBeLessThanOrEqual(usual.storeBudgetBytes);
  });

  it("are the usual ones where these fit", () => {
    const { values, originOf } = resolve({ memoryBytes: memoryOf(2_048) });
    expect(values).toEqual(usual);
    expect(SETTING_NAMES.map(originOf).filter((origin) => origin !== "default")).toEqual([]);
  });

  it("name the limit as their source", () => {
    const { values, originOf } = resolve({ memoryBytes: memoryOf(512) });
    const source = "default: memory limit of 512 MiB (/cg/memory.max)";
    expect(SETTING_NAMES.filter((name) => originOf(name) === source)).toEqual([
      "workers",
      "storeBudgetBytes",
      "logMaxBytes",
      "tombstonesMax",
      "leasesMax",
      "connectionsMax",
      "queuesMaxBytes",
      "connectionMaxHeldBytes",
      "heldMaxBytes",
    ]);
    expect(values.workers).toBe(1);
    expect(originOf("shards")).toBe("default");
  });

  it("are as small as useful where none would fit", () => {
    const { values } = resolve({ memoryBytes: memoryOf(64) });
    expect([values.workers, values.storeBudgetBytes]).toEqual([1, 16 * MIB]);
    expect(resolve({ memoryBytes: memoryOf(64) }, { shards: "256" }).values.storeBudgetBytes).toBe(16 * MIB);
  });

  it("leave what was given as it is, and give the store what that leaves", () => {
    const given = { workers: "2", logMaxBytes: "8MiB", connectionsMax: "20000", queueMaxBytes: "32MiB" };
    const { values, originOf } = resolve({ memoryBytes: memoryOf(1_024) }, given);
    expect(values).toMatchObject({ workers: 2, logMaxBytes: 8 * MIB, connectionsMax: 20_000 });
    expect(originOf("connectionsMax")).toBe("--connections-max");
    expect(values.queuesMaxBytes).toBe(32 * MIB);
    expect(values.storeBudgetBytes).toBe(16 * MIB);
  });

  it("have room for the largest request that was allowed", () => {
    const { values } = resolve({ memoryBytes: memoryOf(512) }, { receiveMaxBytes: "30MiB" });
    expect([values.connectionMaxHeldBytes, values.heldMaxBytes]).toEqual([
      30 * MIB,
      Math.ceil((240 * MIB) / 7),
    ]);
  });

  it("make room for a budget that was given", () => {
    const memoryBytes = memoryOf(1_024);
    const { values, originOf } = resolve({ memoryBytes }, { storeBudgetBytes: "400MiB", workers: "1" });
    expect([values.storeBudgetBytes, originOf("storeBudgetBytes")]).toEqual([
      400 * MIB,
      "--store-budget-bytes",
    ]);
    expect(values.logMaxBytes).toBeLessThan(usual.logMaxBytes);
    expect(ceilingBytes(values)).toBeLessThanOrEqual(usableBytes(memoryBytes));
    expect(resolve({ memoryBytes }, { storeBudgetBytes: "4GiB" }).values.storeBudgetBytes).toBe(4_096 * MIB);
  });
});

describe("L6: the defaults under a CPU quota", () => {
  it.each([
    [0.25, 1],
    [1, 1],
    [1.5, 1],
    [2, 2],
    [3.9, 3],
    [64, 8],
  ])("of %d on 8 cores are %i workers, without busy polling", (quota, workers) => {
    const { values, originOf } = resolve({ cores: 8, cpus: quotaOf(quota) });
    expect([values.workers, values.busyPollMaxMs]).toEqual([workers, 0]);
    const source = `default: CPU quota of ${quota} (/cg/cpu.max)`;
    expect(originOf("busyPollMaxMs")).toBe(source);
    expect(originOf("workers")).toBe(workers === 8 ? "default" : source);
  });

  it("leave what was given as it is", () => {
    const { values } = resolve({ cores: 8, cpus: quotaOf(1) }, { workers: "4", busyPollMaxMs: "2" });
    expect([values.workers, values.busyPollMaxMs]).toEqual([4, 2]);
  });

  it("are one worker where more are not possible", () => {
    const machine = { cores: 8, platform: "darwin", cpus: quotaOf(4), memoryBytes: memoryOf(512) };
    expect([resolve(machine).values.workers, resolve(machine).originOf("workers")]).toEqual([1, "default"]);
  });
});
