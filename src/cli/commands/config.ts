/** `meshcache config`: the settings that a server would start with, and the source of each. */
import type { Command } from "commander";
import { EXIT } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import type { CommandContext } from "../service/session.ts";
import { addSettingsOptions, readSettings, type SettingsOptions } from "../settings/command-line.ts";
import { SETTING_NAMES } from "../settings/settings.ts";
import { toMarkdownTable, toYaml } from "../settings/table.ts";

const PRINT_HELP = `
Takes the options of "meshcache serve". Its output is a file for --config with the same settings.

Examples:
  meshcache config print > meshcache.yaml
  MESHCACHE_SHARDS=4 meshcache config print --store-max-bytes 1GiB
  meshcache config print --json | jq 'select(.source != "default")'`;

export function addConfigCommand(program: Command, context: CommandContext): void {
  const config = program.command("config").description("show the settings of the server");
  const print = config
    .command("print")
    .description("print the settings that serve would use, and the source of each")
    .option("--json", "print one JSON object per line: name, value, source");
  addSettingsOptions(print)
    .addHelpText("after", PRINT_HELP)
    .action((options: SettingsOptions & { readonly json?: true }) => printSettings(context, options));
  config
    .command("table")
    .description("print all settings with default, range and meaning, as a Markdown table")
    .action(() => writeLine(context.terminal.stdout, toMarkdownTable()));
}

async function printSettings(
  { terminal, machine, finish }: CommandContext,
  { json, ...options }: SettingsOptions & { readonly json?: true },
): Promise<void> {
  try {
    const settings = readSettings(options, terminal.env, machine());
    const { values, originOf } = settings;
    if (json !== true) await writeLine(terminal.stdout, toYaml(settings));
    else {
      for (const name of SETTING_NAMES) {
        await writeLine(terminal.stdout, toJsonLine({ name, value: values[name], source: originOf(name) }));
      }
    }
    finish(EXIT.ok);
  } catch (error) {
    finish(await reportFailure(error, terminal, json === true));
  }
}
