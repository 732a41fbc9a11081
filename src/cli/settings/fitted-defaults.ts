/**
 * The defaults that depend on the machine: workers follow its cores and the CPU quota, busy polling is off under a quota,
 * and what takes memory fits the memory limit. A setting that was given is never changed.
 */

import { heldBytesFor } from "../../server/limits/transport-limits.ts";
import { WORKERS_BOUND } from "../../server/workers/thread-ports.ts";
import { storeBudgetBound } from "../../store/engine/store-options.ts";
import type { CgroupLimit } from "./cgroup.ts";
import { type Machine, sharesPorts } from "./machine.ts";
import { ceilingBytes, usableBytes, workerBytes } from "./memory-model.ts";
import { toQuantity } from "./quantity.ts";
import { SETTING_NAMES, type SettingName, type Settings } from "./settings.ts";

export interface FittedSettings {
  readonly values: Settings;
  /** Why a default is not the usual one. */
  readonly reasons: ReadonlyMap<SettingName, string>;
}

type IsGiven = (name: SettingName) => boolean;

const KIB = 1024;
const MIB = 1024 * KIB;

/** All workers together may take this share of the memory limit under load. */
const WORKERS_SHARE = 2 / 5;
/** The store gets at least this share, if others can have less. */
const BUDGET_SHARE = 1 / 8;
/** Less would be no cache; where not even this fits, the server says so. */
const BUDGET_MIN_BYTES = 16 * MIB;

/** The defaults that are halved, all together, until the store has its share; and how far down. */
const HALVED: readonly (readonly [name: keyof HalvedSettings, min: number])[] = [
  ["logMaxBytes", 256 * KIB],
  ["leasesMax", 1_024],
  ["tombstonesMax", 4_096],
  ["queuesMaxBytes", 8 * MIB],
  ["heldMaxBytes", 32 * MIB],
  ["connectionMaxHeldBytes", 8 * MIB],
  ["connectionsMax", 1_000],
];
type HalvedSettings = Pick<
  Settings,
  | "logMaxBytes"
  | "leasesMax"
  | "tombstonesMax"
  | "queuesMaxBytes"
  | "heldMaxBytes"
  | "connectionMaxHeldBytes"
  | "connectionsMax"
>;
const HALVINGS_MAX = 5;

/** `parsed` has the usual default for what was not given. */
export function fitDefaults(parsed: Settings, isGiven: IsGiven, machine: Machine): FittedSettings {
  const reasons = new Map<SettingName, string>();
  let values = parsed;
  const choose = (changed: Partial<Settings>, reason: string): void => {
    for (const name of SETTING_NAMES) {
      if (changed[name] !== undefined && changed[name] !== values[name]) reasons.set(name, reason);
    }
    values = { ...values, ...changed };
  };
  const { cpus, memoryBytes } = machine;
  if (!isGiven("workers")) {
    const { workers, reason } = workersMost(parsed, machine);
    values = { ...values, workers };
    if (reason !== undefined) reasons.set("workers", reason);
  }
  if (!isGiven("busyPollMaxMs") && cpus !== undefined) choose({ busyPollMaxMs: 0 }, quotaReason(cpus));
  if (memoryBytes !== undefined) {
    choose(fitMemory(values, isGiven, usableBytes(memoryBytes)), memoryReason(memoryBytes));
  }
  if (!isGiven("residentMaxBytes")) values = { ...values, residentMaxBytes: ceilingBytes(values) };
  return { values, reasons };
}

interface WorkersChoice {
  readonly workers: number;
  /** Undefined: as many as usual. */
  readonly reason: string | undefined;
}

/** A worker for each core, where there may be more than one, and no more than the limits have room for. */
function workersMost({ storeEngine, tier }: Settings, machine: Machine): WorkersChoice {
  if (tier !== "" || storeEngine === "lru" || !sharesPorts(machine)) return { workers: 1, reason: undefined };
  const { cores, cpus, memoryBytes } = machine;
  let most: WorkersChoice = { workers: Math.min(cores, WORKERS_BOUND.max), reason: undefined };
  const bound = (workers: number, reason: string): void => {
    const whole = Math.max(1, Math.floor(workers));
    if (whole < most.workers) most = { workers: whole, reason };
  };
  // More would use the quota up before the end of its period, and then none of them runs.
  if (cpus !== undefined) bound(cpus.value, quotaReason(cpus));
  if (memoryBytes !== undefined) {
    bound((memoryBytes.value * WORKERS_SHARE) / workerBytes(2), memoryReason(memoryBytes));
  }
  return most;
}

function fitMemory(settings: Settings, isGiven: IsGiven, usable: number): Partial<Settings> {
  const { storeBudgetBytes } = settings;
  const hasBudget = isGiven("storeBudgetBytes");
  const wanted = hasBudget ? storeBudgetBytes : Math.min(storeBudgetBytes, usable * BUDGET_SHARE);
  let halved: Partial<HalvedSettings> = {};
  let left = leftFor(settings, usable);
  for (let halvings = 1; left < wanted && halvings <= HALVINGS_MAX; halvings += 1) {
    halved = halve(settings, isGiven, 2 ** halvings);
    left = leftFor({ ...settings, ...halved }, usable);
  }
  if (hasBudget) return halved;
  const { min, max } = storeBudgetBound(settings.storeEngine, settings.shards);
  const fitting = Math.min(storeBudgetBytes, Math.floor(left / MIB) * MIB);
  return { ...halved, storeBudgetBytes: Math.min(max, Math.max(min, BUDGET_MIN_BYTES, fitting)) };
}

/** What is left of the usable memory for entries. */
function leftFor(settings: Settings, usable: number): number {
  return usable - (ceilingBytes(settings) - settings.storeBudgetBytes);
}

/** What one request, one stream or one connection may hold, all of them must have room for. */
function leastFor(name: keyof HalvedSettings, settings: Settings): number {
  const { queueMaxBytes, connectionMaxHeldBytes, receiveMaxBytes } = settings;
  if (name === "queuesMaxBytes") return queueMaxBytes;
  if (name === "connectionMaxHeldBytes") return receiveMaxBytes;
  if (name !== "heldMaxBytes") return 0;
  return Math.max(connectionMaxHeldBytes, heldBytesFor(receiveMaxBytes));
}

function halve(settings: Settings, isGiven: IsGiven, divisor: number): Partial<HalvedSettings> {
  const halved: Partial<Record<keyof HalvedSettings, number>> = {};
  for (const [name, min] of HALVED) {
    if (isGiven(name)) continue;
    const least = Math.max(min, leastFor(name, settings));
    halved[name] = Math.min(settings[name], Math.max(least, settings[name] / divisor));
  }
  return halved;
}

function quotaReason({ value, path }: CgroupLimit): string {
  return `CPU quota of ${Number(value.toFixed(2))} (${path})`;
}

function memoryReason({ value, path }: CgroupLimit): string {
  return `memory limit of ${toQuantity(value, "bytes")} (${path})`;
}
