/** The command line: its commands, its help, and the errors of wrong usage. */
import { Command, CommanderError } from "commander";
import { VERSION } from "../common/version.ts";
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
  const finish = (code: ExitCode) => {
    exitCode = code;
  };
  try {
    const program = await createProgram(argv, json, { terminal, machine, finish });
    await program.parseAsync([...argv], { from: "user" });
    return exitCode;
  } catch (error) {
    // Commander has already written its help, the version or its error.
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage;
    return reportFailure(error, terminal, json);
  }
}

type AddCommand = (program: Command, context: CommandContext) => void;

/** By group, in the order of the help. */
const COMMANDS: Readonly<Record<string, Readonly<Record<string, () => Promise<AddCommand>>>>> = {
  "Server:": {
    serve: async () => (await import("./commands/serve.ts")).addServeCommand,
    config: async () => (await import("./commands/config.ts")).addConfigCommand,
    sizing: async () => (await import("./commands/sizing.ts")).addSizingCommand,
    tier: async () => (await import("./commands/tier.ts")).addTierCommand,
    cert: async () => (await import("./commands/cert.ts")).addCertCommand,
    policy: async () => (await import("./commands/policy.ts")).addPolicyCommand,
  },
  "Entries:": {
    get: async () => (await import("./commands/get.ts")).addGetCommand,
    set: async () => (await import("./commands/set.ts")).addSetCommand,
    incr: async () => (await import("./commands/incr.ts")).addIncrCommand,
    touch: async () => (await import("./commands/touch.ts")).addTouchCommand,
    keys: async () => (await import("./commands/keys.ts")).addKeysCommand,
    invalidate: async () => (await import("./commands/invalidate.ts")).addInvalidateCommand,
  },
  "Responses of gRPC services:": {
    proxy: async () => (await import("./commands/proxy.ts")).addProxyCommand,
    "lint-cache": async () => (await import("./commands/lint-cache.ts")).addLintCacheCommand,
  },
  "Observe and test:": {
    watch: async () => (await import("./commands/watch.ts")).addWatchCommand,
    stats: async () => (await import("./commands/stats.ts")).addStatsCommand,
    replay: async () => (await import("./commands/replay.ts")).addReplayCommand,
  },
};

/** Adds the command that is asked for, and all of them for help and for errors. Each brings its own part of the code. */
async function addCommands(
  program: Command,
  context: CommandContext,
  argv: readonly string[],
): Promise<void> {
  const [asked = ""] = argv;
  const isKnown = Object.values(COMMANDS).some((commands) => Object.hasOwn(commands, asked));
  for (const [group, commands] of Object.entries(COMMANDS)) {
    program.commandsGroup(group);
    for (const [name, load] of Object.entries(commands)) {
      if (!isKnown || name === asked) (await load())(program, context);
    }
  }
}

async function createProgram(
  argv: readonly string[],
  json: boolean,
  context: CommandContext,
): Promise<Command> {
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
  await addCommands(program, context, argv);
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
