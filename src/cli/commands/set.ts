/** `meshcache set`: stores one entry, from an argument, a file or stdin. */

import { createReadStream } from "node:fs";
import { addAbortSignal, type Readable } from "node:stream";
import { type Command, Option } from "commander";
import { CacheService, NotStored_Reason } from "../../../gen/meshcache/v1/cache_pb.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import { CliError, EXIT, type ExitCode, usageError } from "../output/exit-codes.ts";
import type { Terminal } from "../output/terminal.ts";
import { addConditionOptions, type ConditionOptions, toCondition } from "../service/conditions.ts";
import { durationOption, listOption, TIME_HELP, uint64Option } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { toJsonStamp } from "./entry.ts";

interface SetOptions extends NamespaceOptions, ConditionOptions {
  readonly file?: string;
  readonly absent?: true;
  readonly ttl: number;
  readonly stale: number;
  readonly tag?: readonly string[];
  readonly contentType?: string;
  readonly contentEncoding?: string;
  readonly sourceVersion?: bigint;
}

const HELP = `
${TIME_HELP}

Examples:
  meshcache set greeting hello
  meshcache set user:42 '{"name":"Ada"}' --namespace users --ttl 60s --stale 5min --tag tenant:7
  meshcache set logo --file logo.png --content-type image/png
  pg_dump -s shop | meshcache set schema -
  zstd -c report.csv | meshcache set report - --content-type text/csv --content-encoding zstd
  meshcache set lock:job-7 me --if-absent --ttl 30s

Exit code 1: not stored, because of a condition or of the source version.`;

/** No server takes more, so no more is read. */
const VALUE_READ_MAX_BYTES = LIMIT_BOUNDS.valueMaxBytes.max;

const REASONS: Readonly<Record<number, readonly [code: string, words: string]>> = {
  [NotStored_Reason.EXISTS]: ["EXISTS", "there is a fresh entry"],
  [NotStored_Reason.ABSENT]: ["ABSENT", "there is no fresh entry"],
  [NotStored_Reason.VERSION_MISMATCH]: [
    "VERSION_MISMATCH",
    "the entry has another version, was invalidated, or is gone",
  ],
  [NotStored_Reason.LEASE_LOST]: ["LEASE_LOST", "the lease was lost"],
  [NotStored_Reason.OLDER_SOURCE_VERSION]: ["OLDER_SOURCE_VERSION", "a greater source version is known"],
};

export function addSetCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("set")
    .description("store one entry")
    .argument("<key>", "key of the entry")
    .argument("[value]", 'the value; "-" reads it from stdin')
    .optionsGroup("Value:")
    .addOption(new Option("--file <path>", 'read the value from a file; "-" is stdin').conflicts("absent"))
    .option("--absent", "store, instead of a value, that the source has no such record")
    .option("--content-type <type>", 'media type of the value, such as "application/json"')
    .addOption(
      new Option(
        "--content-encoding <name>",
        'how the value is compressed, such as "zstd"; it is stored as it comes',
      ).conflicts("absent"),
    )
    .optionsGroup("Lifetime:")
    .addOption(
      durationOption(
        "--ttl <time>",
        "how long the entry is fresh, such as 60s; 0: until it is invalidated or evicted",
        "0",
      ),
    )
    .addOption(
      durationOption("--stale <time>", "how long after that it may be served stale, such as 5min", "0"),
    )
    .addOption(listOption("--tag <tag>", "a tag, by which it can be invalidated; may be repeated"));
  addConditionOptions(command, "the entry").addOption(
    uint64Option(
      "--source-version <n>",
      "version of the record in the source; refused if a greater one is known",
    ),
  );
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((key: string, value: string | undefined, options: SetOptions) =>
      runSession(context, options, (session) => set(session, key, value, options)),
    );
}

async function set(
  session: Session,
  key: string,
  value: string | undefined,
  options: SetOptions,
): Promise<ExitCode> {
  const response = await session.call(CacheService.method.set, {
    namespace: options.namespace,
    key,
    value: await readValue(session.terminal, value, options),
    ttlMs: BigInt(options.ttl),
    staleMs: BigInt(options.stale),
    tags: [...(options.tag ?? [])],
    contentType: options.contentType ?? "",
    contentEncoding: options.contentEncoding ?? "",
    absent: options.absent ?? false,
    sourceVersion: options.sourceVersion ?? 0n,
    condition: toCondition(options),
    ifEpoch: options.ifEpoch ?? 0n,
  });
  const { outcome, asOf } = response;
  const about = { namespace: options.namespace, key };
  if (outcome.case === "stored") {
    const version = Number(outcome.value.version);
    await session.answer(
      () => ({ ...about, outcome: "stored", version, asOf: toJsonStamp(asOf) }),
      () => `stored · version ${version} · shard ${asOf?.shard}`,
    );
    return EXIT.ok;
  }
  const [reason, words] = REASONS[outcome.value?.reason ?? 0] ?? [
    "UNKNOWN",
    "for a reason that this version does not know",
  ];
  await session.answer(
    () => ({ ...about, outcome: "notStored", reason, asOf: toJsonStamp(asOf) }),
    () => `not stored: ${words}`,
  );
  return EXIT.negative;
}

async function readValue(
  terminal: Terminal,
  value: string | undefined,
  options: SetOptions,
): Promise<Uint8Array> {
  const given = [value, options.file, options.absent].filter((source) => source !== undefined).length;
  if (given !== 1) throw usageError("give the value once: as an argument, with --file, or as --absent");
  if (options.absent) return new Uint8Array();
  const path = options.file ?? value;
  if (path === "-") return readAll(addAbortSignal(terminal.interrupted, terminal.stdin), "stdin");
  return options.file === undefined
    ? Buffer.from(value ?? "")
    : readAll(createReadStream(options.file), options.file);
}

async function readAll(stream: Readable, name: string): Promise<Uint8Array> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  try {
    for await (const chunk of stream) {
      const part = Buffer.from(chunk);
      bytes += part.length;
      if (bytes > VALUE_READ_MAX_BYTES)
        throw usageError(`${name} holds more than ${VALUE_READ_MAX_BYTES} bytes`);
      chunks.push(part);
    }
  } catch (error) {
    if (error instanceof CliError) throw error;
    throw unreadable(name, error);
  }
  return Buffer.concat(chunks);
}

function unreadable(name: string, error: unknown): CliError {
  const why = error instanceof Error && "code" in error ? String(error.code) : "error";
  return new CliError(EXIT.noFile, "NO_FILE", `cannot read ${name} (${why}); nothing was done`, {
    cause: error,
  });
}
