/** The command line: its commands, its help, and the errors of wrong usage. */
import { Command, CommanderError } from "commander";
import { VERSION } from "../common/version.ts";
import { addCertCommand } from "./commands/cert.ts";
import { addConfigCommand } from "./commands/config.ts";
import { addGetCommand } from "./commands/get.ts";
import { addInvalidateCommand } from "./commands/invalidate.ts";
import { addLintCacheCommand } from "./commands/lint-cache.ts";
import { addPolicyCommand } from "./commands/policy.ts";
import { addProxyCommand } from "./commands/proxy.ts";
import { addReplayCommand } from "./commands/replay.ts";
import { addServeCommand } from "./commands/serve.ts";
import { addSetCommand } from "./commands/set.ts";
import { addSizingCommand } from "./commands/sizing.ts";
import { addStatsCommand } from "./commands/stats.ts";
import { addTouchCommand } from "./commands/touch.ts";
import { addWatchCommand } from "./commands/watch.ts";
import { EXIT, EXIT_MEANINGS, type ExitCode } from "./output/exit-codes.ts";
import { reportFailure } from "./output/failure.ts";
import { toJsonLine } from "./output/json.ts";
import type { Terminal } from "./output/terminal.ts";
import { oneLine, toColumns } from "./output/text.ts";
import type { CommandContext } from "./service/session.ts";
import { type Machine, thisMachine } from "./settings/machine.ts";

const DEFAULT_COLUMNS = 100;

/** Runs one command to its end. Never rejects, and never ends the process. */
export async function run(
  argv: readonly string[],
  terminal: Terminal,
  machine: () => Machine = thisMachine,
): Promise<ExitCode> {
  let exitCode: ExitCode = EXIT.ok;
  const json = argv.includes("--json");
  const program = createProgram(json, {
    terminal,
    machine,
    finish: (code) => {
      exitCode = code;
    },
  });
  try {
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has already written its help, the version or its error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportFailure(error, terminal, json);
  }
}

function createProgram(json: boolean, context: CommandContext): Command {
  const { stdout, stderr } = context.terminal;
  const program = new Command("meshcache")
    .description("A cache that the services of a mesh share over gRPC, and its command line.")
    .version(VERSION, "-V, --version", "print the version")
    .helpOption("-h, --help", "print help")
    .addHelpCommand(
      new Command("help")
        .argument("[command]")
        .description("print the help of a command")
        .helpOption(false)
        .helpGroup("Help:"),
    )
    .exitOverride()
    .configureOutput({
      writeOut: (text) => stdout.write(text),
      writeErr: (text) => stderr.write(text),
      outputError: (text, write) => write(`${toErrorLine(text, json)}\n`),
      getOutHelpWidth: () => stdout.columns ?? DEFAULT_COLUMNS,
      getErrHelpWidth: () => stderr.columns ?? DEFAULT_COLUMNS,
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .addHelpText("after", HELP);
  program.commandsGroup("Server:");
  addServeCommand(program, context);
  addConfigCommand(program, context);
  addSizingCommand(program, context);
  addCertCommand(program, context);
  addPolicyCommand(program, context);
  program.commandsGroup("Entries:");
  addGetCommand(program, context);
  addSetCommand(program, context);
  addTouchCommand(program, context);
  addInvalidateCommand(program, context);
  program.commandsGroup("Responses of gRPC services:");
  addProxyCommand(program, context);
  addLintCacheCommand(program, context);
  program.commandsGroup("Observe and test:");
  addWatchCommand(program, context);
  addStatsCommand(program, context);
  addReplayCommand(program, context);
  return program;
}

/** An error of commander as one safe line: it quotes what was typed. */
function toErrorLine(text: string, json: boolean): string {
  const words = text
    .replace(/^error: /, "")
    .trim()
    .replaceAll("\n", " ");
  if (json) return toJsonLine({ error: { reason: "USAGE", message: words } });
  return `meshcache: ${oneLine(words)}${words.endsWith(")") ? "" : " (see --help)"}`;
}

const HELP = `
Exit codes:
${toColumns(EXIT_MEANINGS.map(([code, meaning]) => [String(code), meaning])).join("\n")}

A first minute, with a server started by "meshcache serve":
  meshcache set greeting hello --tag demo
  meshcache get greeting
  meshcache invalidate --tag demo`;
