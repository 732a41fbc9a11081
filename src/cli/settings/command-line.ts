/** The settings as flags of a command, with the file of `--config`. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { CliError, EXIT } from "../output/exit-codes.ts";
import type { ResolvedSettings } from "./conflicts.ts";
import type { Machine } from "./machine.ts";
import { toFlag } from "./names.ts";
import { toQuantity } from "./quantity.ts";
import { infoOf, SETTING_NAMES } from "./settings.ts";
import { resolveSettings, SettingsError } from "./sources.ts";

/** The options as commander passes them: `config`, and each setting by its name. */
export type SettingsOptions = Readonly<Partial<Record<string, string | true>>>;

const PLACEHOLDERS = { bytes: "<bytes>", ms: "<ms>", "": "<value>" } as const;

/** Adds --config, and a flag for each setting, in groups. */
export function addSettingsOptions(command: Command): Command {
  command.option("--config <file>", "a YAML file with settings (default: $MESHCACHE_CONFIG)");
  for (const name of SETTING_NAMES) {
    const { group, unit, initial, bound, description } = infoOf(name);
    const fallback = typeof initial === "object" ? initial.words : initial;
    const shown = typeof fallback === "number" ? toQuantity(fallback, unit) : fallback;
    const placeholder = fallback === "false" ? "" : ` ${PLACEHOLDERS[unit]}`;
    command
      .optionsGroup(`${group}:`)
      .option(
        `${toFlag(name)}${placeholder}`,
        `${description.replaceAll("`", "")} (${bound}; default ${shown})`,
      );
  }
  return command.optionsGroup("Options:");
}

/** Throws a CliError that lists every fault. */
export function readSettings(
  options: SettingsOptions,
  env: Readonly<Record<string, string | undefined>>,
  machine: Machine,
): ResolvedSettings {
  try {
    return resolveSettings({
      flags: options,
      env,
      filePath: typeof options.config === "string" ? options.config : env.MESHCACHE_CONFIG || undefined,
      readFile: (path) => readFileSync(path, "utf8"),
      machine,
    });
  } catch (error) {
    if (!(error instanceof SettingsError)) throw error;
    const notes = error.faults.map(({ where, message }) => `${where}: ${message}`);
    const count = notes.length === 1 ? "a fault" : `${notes.length} faults`;
    throw new CliError(EXIT.usage, "CONFIG", `${count} in the configuration; nothing was started`, {
      notes,
      cause: error,
    });
  }
}
