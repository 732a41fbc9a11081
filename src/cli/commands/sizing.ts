/** `meshcache sizing`: the memory and the time that a server with given settings may take, and what limits it has. */
import type { Command } from "commander";
import { toDuration } from "../../common/duration.ts";
import { EXIT } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { plural, toColumns, toCount, toSize } from "../output/text.ts";
import type { CommandContext } from "../service/session.ts";
import { addSettingsOptions, readSettings, type SettingsOptions } from "../settings/command-line.ts";
import type { ResolvedSettings } from "../settings/conflicts.ts";
import type { Machine } from "../settings/machine.ts";
import {
  ceilingBytes,
  containerBytes,
  idleBytes,
  memoryParts,
  usableBytes,
} from "../settings/memory-model.ts";
import { toQuantity } from "../settings/quantity.ts";
import { restartBounds } from "../settings/restart-bounds.ts";
import { infoOf, SETTING_NAMES } from "../settings/settings.ts";

const HELP = `
Takes the options of "meshcache serve". The ceiling is what the server takes when everything that
has a bound is at its bound. Requests that are being received or answered come on top. The times
are for the supervisor: with --snapshot they have room for a full store and a slow disk.

Examples:
  meshcache sizing
  meshcache sizing --store-budget-bytes 4GiB --workers 8 --connections-max 500
  meshcache sizing --config meshcache.yaml --json | jq .containerBytes`;

type SizingOptions = SettingsOptions & { readonly json?: true };

export function addSizingCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("sizing")
    .description(
      "compute the memory that a server needs with these settings, and how long it may take to restart",
    )
    .option("--json", "print one JSON object");
  addSettingsOptions(command)
    .addHelpText("after", HELP)
    .action((options: SizingOptions) => printSizing(context, options));
}

async function printSizing(
  { terminal, machine: readMachine, finish }: CommandContext,
  { json, ...options }: SizingOptions,
): Promise<void> {
  try {
    const machine = readMachine();
    const settings = readSettings(options, terminal.env, machine);
    await writeLine(
      terminal.stdout,
      json === true ? toJsonLine(toJson(settings, machine)) : toLines(settings, machine).join("\n"),
    );
    finish(EXIT.ok);
  } catch (error) {
    finish(await reportFailure(error, terminal, json === true));
  }
}

function fits({ values }: ResolvedSettings, { memoryBytes }: Machine): boolean {
  return memoryBytes === undefined || ceilingBytes(values) <= usableBytes(memoryBytes);
}

function toJson(settings: ResolvedSettings, machine: Machine): object {
  const { values } = settings;
  return {
    containerBytes: containerBytes(values),
    ceilingBytes: ceilingBytes(values),
    idleBytes: idleBytes(values),
    parts: memoryParts(values),
    memoryLimit: machine.memoryBytes ?? null,
    cpuQuota: machine.cpus ?? null,
    cores: machine.cores,
    fits: fits(settings, machine),
    ...restartBounds(values),
    fitted: fittedSettings(settings).map(([name, source]) => ({ name, value: values[name], source })),
  };
}

/** The defaults that the limits have changed, each with its source. */
function fittedSettings({ originOf }: ResolvedSettings) {
  return SETTING_NAMES.map((name) => [name, originOf(name)] as const).filter(([, source]) =>
    source.startsWith("default:"),
  );
}

function toLines(settings: ResolvedSettings, machine: Machine): string[] {
  const { values } = settings;
  const parts = memoryParts(values).map(({ part, bytes, from }) => [part, toMib(bytes), from]);
  const fitted = fittedSettings(settings).map(([name, source]) => {
    const value = values[name];
    return [name, typeof value === "number" ? toQuantity(value, infoOf(name).unit) : String(value), source];
  });
  return [
    `Give a container for these settings ${toMib(containerBytes(values))} of memory.`,
    `Idle and with an empty store the server takes ${toMib(idleBytes(values))}.`,
    "",
    ...toColumns([...parts, ["ceiling", toMib(ceilingBytes(values)), ""]], [1]),
    "",
    ...toColumns([
      ["memory limit", limitText(settings, machine)],
      ["CPU quota", quotaText(machine)],
    ]),
    "",
    ...toColumns(restartRows(values)),
    ...(fitted.length === 0 ? [] : ["", "Defaults that follow these limits:", ...toColumns(fitted, [1])]),
  ];
}

function restartRows(values: ResolvedSettings["values"]): [string, string][] {
  const { snapshotMaxBytes, stopMaxMs, startMaxMs } = restartBounds(values);
  return [
    ["snapshot", snapshotMaxBytes === 0 ? "none" : `at most ${toMib(snapshotMaxBytes)}`],
    ["stop in order", `at most ${toDuration(stopMaxMs)}`],
    ["start", `at most ${toDuration(startMaxMs)}`],
  ];
}

/** All in one unit, so that they can be compared and added up. */
function toMib(bytes: number): string {
  return `${toCount(Math.ceil(bytes / 2 ** 20))} MiB`;
}

function limitText(settings: ResolvedSettings, machine: Machine): string {
  const { memoryBytes } = machine;
  if (memoryBytes === undefined) return "none";
  const limit = `${toSize(memoryBytes.value)} (${memoryBytes.path})`;
  return `${limit}, ${fits(settings, machine) ? "which has room for the ceiling" : "less than the ceiling needs"}`;
}

function quotaText({ cpus, cores }: Machine): string {
  const quota = cpus === undefined ? "none" : `${Number(cpus.value.toFixed(2))} (${cpus.path})`;
  return `${quota}, ${plural(cores, "core")}`;
}
