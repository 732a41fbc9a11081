/** `meshcache get`: reads one entry. */
import type { Command } from "commander";
import { CacheService, type GetResponse, type Hit } from "../../../gen/meshcache/v1/cache_pb.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { toJsonLine } from "../output/json.ts";
import { type Terminal, write, writeLine } from "../output/terminal.ts";
import { manyLines, toSize, toText } from "../output/text.ts";
import { uint64Option } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { describeHit, plainValueOf, toJsonHit, toJsonStamp } from "./entry.ts";

interface GetOptions extends NamespaceOptions {
  readonly allowStale?: true;
  readonly raw?: true;
  readonly ifVersion?: bigint;
  readonly ifEpoch?: bigint;
}

const EXAMPLES = `
On a terminal it prints the value as text, and details on stderr. Into a pipe or a file it writes
only the bytes of the value. A compressed value is decompressed, unless you say --raw.

Examples:
  meshcache get greeting
  meshcache get report.pdf > report.pdf
  meshcache get user:42 --namespace users --allow-stale --json

Exit code 1: there is no such entry, or it was stored with --absent.`;

export function addGetCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("get")
    .description("read one entry")
    .argument("<key>", "key of the entry")
    .option("--allow-stale", "also return a stale entry: past its TTL, or invalidated with --soft")
    .option("--raw", "leave a compressed value as it is stored")
    .addOption(uint64Option("--if-version <version>", "return the value only if its version is not this one"))
    .addOption(uint64Option("--if-epoch <epoch>", "the epoch in which that version was read"));
  addNamespaceOptions(command, context)
    .addHelpText("after", EXAMPLES)
    .action((key: string, options: GetOptions) =>
      runSession(context, options, (session) => get(session, key, options)),
    );
}

async function get(session: Session, key: string, options: GetOptions): Promise<ExitCode> {
  const response = await session.call(CacheService.method.get, {
    namespace: options.namespace,
    key,
    allowStale: options.allowStale ?? false,
    ifVersion: options.ifVersion ?? 0n,
    ifEpoch: options.ifEpoch ?? 0n,
  });
  const { outcome } = response;
  if (outcome.case === "hit" && !options.raw) outcome.value.value = plainValueOf(outcome.value);
  if (session.json) {
    const line = toJsonLine({
      namespace: options.namespace,
      key,
      ...toJsonOutcome(response),
      asOf: toJsonStamp(response.asOf),
    });
    await writeLine(session.terminal.stdout, line);
  } else {
    await show(session.terminal, response);
  }
  const found = outcome.case === "hit" ? !outcome.value.absent : outcome.case === "notModified";
  return found ? EXIT.ok : EXIT.negative;
}

function toJsonOutcome({ outcome }: GetResponse): object {
  if (outcome.case === "hit") {
    return { outcome: outcome.value.absent ? "absent" : "hit", ...toJsonHit(outcome.value) };
  }
  return { outcome: outcome.case === "notModified" ? "notModified" : "miss" };
}

async function show(terminal: Terminal, { outcome, asOf }: GetResponse): Promise<void> {
  switch (outcome.case) {
    case "hit":
      if (outcome.value.absent)
        return writeLine(
          terminal.stderr,
          `absent: the source has no such record (${describeHit(outcome.value, asOf)})`,
        );
      if (terminal.stdout.isTTY !== true) return write(terminal.stdout, outcome.value.value);
      await writeLine(terminal.stdout, toTerminalText(outcome.value));
      return writeLine(terminal.stderr, describeHit(outcome.value, asOf));
    case "notModified":
      return writeLine(terminal.stderr, "not modified");
    default:
      return writeLine(terminal.stderr, "miss");
  }
}

/** The value as text in which a terminal finds no escape sequences. */
function toTerminalText({ value }: Hit): string {
  const text = toText(value);
  return text === undefined
    ? `(${toSize(value.length)} of bytes that are not text; write them to a file or a pipe)`
    : manyLines(text);
}
