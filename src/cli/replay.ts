/** `meshcache replay`: real traffic against a running server, with every read checked for staleness. */

import { SingleBar } from "cli-progress";
import { type Command, Option } from "commander";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createSeededRng, systemRng } from "../random.ts";
import { EXIT, type ExitCode } from "./exit-codes.ts";
import { exitCodeOfSignal } from "./failure.ts";
import { countOption, shareOption } from "./options.ts";
import { type ReplayPlan, replayTrace } from "./replay/cache-aside.ts";
import { createOrigin } from "./replay/origin.ts";
import { createPayloads } from "./replay/payload.ts";
import { describeResult, toJsonResult } from "./replay/report.ts";
import { createTally, type ReplayCounts } from "./replay/tally.ts";
import { createReplayTarget } from "./replay/target.ts";
import { readTrace, TRACE_FORMATS, type TraceFormat } from "./replay/trace.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "./session.ts";
import type { Terminal } from "./terminal.ts";
import { toCount, toShare } from "./text.ts";

interface ReplayOptions extends NamespaceOptions {
  readonly format?: TraceFormat;
  readonly limit?: number;
  readonly concurrency: number;
  readonly batch: number;
  readonly writes: number;
  readonly tagWrites: number;
  readonly valueBytes: number;
  readonly seed: number;
}

const HELP = `
The trace is a file of big-endian 32-bit integers, gzipped or not, one an access. It runs as
cache-aside traffic: a read that misses takes a lease, loads and sets, tagged with the object's type
(orm) or with a bucket of pages (web); a share of the accesses are writes, which invalidate by key
or by tag. Latencies are those of a closed loop. The namespace is cleared before and after.

A stale read is a value older than a write whose invalidation was answered before the read was
sent. There must be none: exit code 6 otherwise.

Examples:
  meshcache replay web07.trace.gz
  meshcache replay orm-night.trace.gz --limit 1000000 --batch 64
  meshcache replay my.trace --format web --writes 0.1 --tag-writes 0.2 --seed 7 --json`;

export function addReplayCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("replay")
    .description("run an access trace against the server and count stale reads")
    .argument("<file>", "the trace")
    .optionsGroup("Trace:")
    .addOption(
      new Option(
        "--format <format>",
        "what the integers are (default: what the file's name begins with)",
      ).choices(TRACE_FORMATS),
    )
    .addOption(countOption("--limit <n>", "only the first accesses", [1, Number.MAX_SAFE_INTEGER]))
    .optionsGroup("Traffic:")
    .addOption(countOption("--concurrency <n>", "calls in flight", [1, 1_024], 16))
    .addOption(countOption("--batch <n>", "accesses a call; more than 1 go as one Batch", [1, 128], 16))
    .addOption(shareOption("--writes <share>", "share of the accesses that write", 0.02))
    .addOption(shareOption("--tag-writes <share>", "share of the writes that are of a whole tag", 0.05))
    .addOption(countOption("--value-bytes <n>", "median size of the values", [32, 4_096], 512))
    .addOption(
      countOption("--seed <n>", "what the writes and the sizes are drawn from", [0, 0xffff_ffff], 1),
    );
  addNamespaceOptions(command, context, "replay")
    .addHelpText("after", HELP)
    .action((file: string, options: ReplayOptions) =>
      runSession(context, options, (session) => replay(session, file, options)),
    );
}

async function replay(session: Session, file: string, options: ReplayOptions): Promise<ExitCode> {
  const trace = await readTrace(file, options.format);
  const plan: ReplayPlan = {
    trace,
    accesses: Math.min(options.limit ?? trace.accesses, trace.accesses),
    concurrency: options.concurrency,
    batch: options.batch,
    writes: options.writes,
    tagWrites: options.tagWrites,
  };
  const { terminal } = session;
  const progress = createProgress(terminal, plan);
  const tally = createTally(progress.update);
  // Not bound to the interruption: an interrupted replay clears up behind itself too.
  const clear = async () => {
    await session.client.unary(
      CacheService.method.invalidate,
      { namespace: options.namespace, target: { case: "all", value: true } },
      { metadata: session.callOptions.metadata, timeoutMs: options.timeout },
    );
  };

  await clear();
  const startedAt = performance.now();
  let seconds = 0;
  try {
    await replayTrace(plan, {
      target: createReplayTarget(session, options.namespace),
      origin: createOrigin(),
      payloads: createPayloads(systemRng.uint64(), options.seed, options.valueBytes),
      rng: createSeededRng(options.seed),
      tally,
      interrupted: terminal.interrupted,
    });
    seconds = (performance.now() - startedAt) / 1000;
  } finally {
    progress.stop();
    // What ended the replay, if anything did, is what there is to say.
    await clear().catch(() => {});
  }
  if (terminal.interrupted.aborted) return exitCodeOfSignal(terminal.interrupted);

  const result = { plan, seed: options.seed, tally, seconds };
  await session.answer(
    () => toJsonResult(result),
    () => describeResult(result),
  );
  return tally.counts.stale + tally.counts.wrong === 0 ? EXIT.ok : EXIT.incoherent;
}

/** A bar on a terminal, nothing elsewhere. */
function createProgress({ stderr }: Terminal, plan: ReplayPlan) {
  if (stderr.isTTY !== true) return { update: () => {}, stop: () => {} };
  const bar = new SingleBar({
    stream: stderr,
    format: "{bar} {percentage} % · {done} of {all} · hits {hits} · stale {stale} · {eta_formatted} left",
    barCompleteChar: "█",
    barIncompleteChar: "░",
    barsize: 24,
    hideCursor: true,
    clearOnComplete: true,
    stopOnComplete: false,
    // The command ends by its own interruption and gives the cursor back there.
    gracefulExit: false,
    fps: 10,
  });
  const payload = (counts?: Readonly<ReplayCounts>) => ({
    done: toCount(counts?.accesses ?? 0),
    all: toCount(plan.accesses),
    hits: toShare(counts?.hits ?? 0, counts?.reads ?? 0),
    stale: toCount(counts?.stale ?? 0),
  });
  bar.start(plan.accesses, 0, payload());
  return {
    update: (counts: Readonly<ReplayCounts>) => bar.update(counts.accesses, payload(counts)),
    stop: () => bar.stop(),
  };
}
