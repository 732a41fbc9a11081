/** The settings on a command line: a flag for each, and the file that `--config` names. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { CliError, EXIT } from "../output/exit-codes.ts";
import type { ResolvedSettings } from "./conflicts.ts";
import { thisMachine } from "./machine.ts";
import { toFlag } from "./names.ts";
import { toQuantity } from "./quantity.ts";
import { infoOf, SETTING_NAMES } from "./settings.ts";
import { resolveSettings, SettingsError } from "./sources.ts";

/** As commander gives them: `config`, and each setting under its own name. */
export type SettingsOptions = Readonly<Partial<Record<string, string>>>;

const PLACEHOLDERS = { bytes: "<bytes>", ms: "<ms>", "": "<value>" } as const;

/** --config, and a flag for every setting, in the groups that the settings have. */
export function addSettingsOptions(command: Command): Command {
  command.option("--config <file>", "a YAML file of settings (also MESHCACHE_CONFIG)");
  for (const name of SETTING_NAMES) {
    const { group, unit, initial, bound, description } = infoOf(name);
    const fallback = typeof initial === "object" ? initial.words : initial;
    const shown = typeof fallback === "number" ? toQuantity(fallback, unit) : fallback;
    command
      .optionsGroup(`${group}:`)
      .option(
        `${toFlag(name)} ${PLACEHOLDERS[unit]}`,
        `${description.replaceAll("`", "")} (${bound}; default ${shown})`,
      );
  }
  return command.optionsGroup("Options:");
}

/** Throws a CliError that names every fault at once. */
export function settleSettings(
  options: SettingsOptions,
  env: Readonly<Record<string, string | undefined>>,
): ResolvedSettings {
  try {
    return resolveSettings({
      flags: options,
      env,
      filePath: options.config ?? (env.MESHCACHE_CONFIG || undefined),
      readFile: (path) => readFileSync(path, "utf8"),
      machine: thisMachine(),
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
