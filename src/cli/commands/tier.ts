/** `meshcache tier check` and `tier status`: what the engine of a tier lacks, and where its shards are. */
import type { Command } from "commander";
import { createBoundary } from "../../common/boundary.ts";
import { systemClock } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import {
  type ExaminationOptions,
  examineTier,
  type Finding,
  placesOf,
  type ShardPlace,
} from "../../tier/examination.ts";
import { parseTierAddress, TIER_ADDRESS_FORM } from "../../tier/options.ts";
import { CliError, EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import { reportFailure } from "../output/failure.ts";
import { toJsonLine } from "../output/json.ts";
import { writeLine } from "../output/terminal.ts";
import { oneLine, plural, toColumns } from "../output/text.ts";
import type { CommandContext } from "../service/session.ts";
import { engineSecurity } from "../serving/engine-security.ts";
import { addSettingsOptions, readSettings, type SettingsOptions } from "../settings/command-line.ts";
import type { Settings } from "../settings/settings.ts";

const CHECK_HELP = `
Takes the options of "meshcache serve", of which those in "Tier:" say where the engine is. Looks at every
node and changes nothing. Exits with 0 if all is as a tier needs it, else with 1; each fault has a line that mends it.

Examples:
  meshcache tier check --tier valkey://10.0.0.1:6379
  meshcache tier check --config meshcache.yaml --json`;

const STATUS_HELP = `
Takes the options of "meshcache serve". Shows each shard with its node, its epoch and its revision. A shard that is
not owned by its node begins again at the next call: its entries are gone.

Examples:
  meshcache tier status --tier valkey://10.0.0.1:6379`;

type TierOptions = SettingsOptions & { readonly json?: true };

interface Answer {
  readonly json: object;
  readonly lines: readonly string[];
  readonly exit: ExitCode;
}

export function addTierCommand(program: Command, context: CommandContext): void {
  const tier = program.command("tier").description("look at the engine of a shared tier");
  const add = (
    name: string,
    description: string,
    help: string,
    answer: (options: ExaminationOptions) => Promise<Answer>,
  ) =>
    addSettingsOptions(tier.command(name).description(description).option("--json", "print one JSON object"))
      .addHelpText("after", help)
      .action((options: TierOptions) => run(context, options, answer));
  add("check", "say what the engine lacks, and how to mend it", CHECK_HELP, async (options) =>
    toCheck(await examineTier(options)),
  );
  add("status", "show the shards, their nodes and epochs", STATUS_HELP, async (options) =>
    toStatus(await placesOf(options)),
  );
}

async function run(
  { terminal, machine, finish }: CommandContext,
  { json, ...options }: TierOptions,
  answer: (options: ExaminationOptions) => Promise<Answer>,
): Promise<void> {
  try {
    const { values } = readSettings(options, terminal.env, machine());
    const {
      json: object,
      lines,
      exit,
    } = await answer(toOptions(values)).catch((error: unknown) => {
      if (error instanceof CacheError) {
        throw new CliError(
          EXIT.unavailable,
          error.reason,
          `the engine cannot be looked at: ${error.message}`,
          { cause: error },
        );
      }
      throw error;
    });
    await writeLine(terminal.stdout, json === true ? toJsonLine(object) : lines.join("\n"));
    finish(exit);
  } catch (error) {
    finish(await reportFailure(error, terminal, json === true));
  }
}

function toOptions(settings: Settings): ExaminationOptions {
  const seeds = parseTierAddress(settings.tier);
  if (seeds === undefined) throw usageError(`--tier must be ${TIER_ADDRESS_FORM}`);
  return {
    seeds,
    security: engineSecurity(settings),
    clock: systemClock,
    boundary: createBoundary(() => {}),
    replyMaxMs: settings.tierOperationMaxMs,
    commandsMax: COMMANDS_MAX,
    bytesMax: BYTES_MAX,
  };
}

const COMMANDS_MAX = 1_024;
const BYTES_MAX = 1_048_576;

function toCheck(findings: readonly Finding[]): Answer {
  const faults = findings.filter(({ fix }) => fix !== undefined);
  const rows = findings.map(({ node, subject, found, fix }): [string, string, string, string] => [
    fix === undefined ? "ok" : "FAULT",
    node,
    `${subject}: ${oneLine(found)}`,
    fix === undefined ? "" : `→ ${fix}`,
  ]);
  return {
    json: { findings, faults: faults.length },
    lines: [
      ...toColumns(rows),
      faults.length === 0 ? "all is as a tier needs it" : plural(faults.length, "fault"),
    ],
    exit: faults.length === 0 ? EXIT.ok : EXIT.negative,
  };
}

function toStatus(places: readonly ShardPlace[]): Answer {
  const json = places.map(({ head, ...place }) => ({
    ...place,
    ...(head && { epoch: head.epoch.toString(16), revision: head.revision, isOwned: head.isOwned }),
  }));
  const rows = places.map(({ shard, node, head }): [string, string, string, string] => [
    String(shard),
    node,
    head === undefined ? "not begun" : head.epoch.toString(16),
    head === undefined
      ? ""
      : `revision ${head.revision}${head.isOwned ? "" : ", begins again at the next call"}`,
  ]);
  const owned = places.filter(({ head }) => head?.isOwned).length;
  return {
    json: { shards: json },
    lines: [...toColumns(rows), `${owned} of ${plural(places.length, "shard")} with a writer`],
    exit: EXIT.ok,
  };
}
