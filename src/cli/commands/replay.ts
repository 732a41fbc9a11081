/** `meshcache replay`: replays an access trace against a server, and checks every read for staleness. */

import { type Command, Option } from "commander";
import { CacheService } from "../../../gen/meshcache/v1/cache_pb.ts";
import { toDuration } from "../../common/duration.ts";
import { createSeededRng, systemRng } from "../../common/random.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { exitCodeOfSignal } from "../output/failure.ts";
import { createCallTraffic } from "../replay/call-traffic.ts";
import { MESH_LEASE_MS, openMeshTraffic } from "../replay/mesh-traffic.ts";
import { createOrigin } from "../replay/origin.ts";
import { createPayloads } from "../replay/payload.ts";
import type { ReplayPlan } from "../replay/plan.ts";
import { createProgressBar, type ProgressBar } from "../replay/progress.ts";
import { createReplayTarget } from "../replay/target.ts";
import { readTrace, TRACE_FORMATS, type TraceFormat } from "../replay/trace.ts";
import type { Traffic } from "../replay/traffic.ts";
import { countOption, shareOption } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";

interface ReplayOptions extends NamespaceOptions {
  readonly format?: TraceFormat;
  readonly limit?: number;
  readonly client?: true;
  readonly concurrency: number;
  readonly batch: number;
  readonly writes: number;
  readonly tagWrites: number;
  readonly valueBytes: number;
  readonly seed: number;
}

const HELP = `
The trace is a file of big-endian 32-bit integers, one per access, gzipped or not. It is replayed as
cache-aside traffic. A read that misses takes a lease, loads, and sets the entry with a tag: the
type of the object (orm), or a bucket of pages (web). Some accesses are writes, which invalidate by
key or by tag. Latencies are those of a closed loop. All entries of the namespace are removed before
and after.

A read is stale if its value is older than a write whose invalidation was answered before the read
was sent. If there is one, the exit code is 6.

With --client the accesses alternate between two clients in this process, each with a near cache.
They load what is missing; one of them also writes. The writing client must read its own writes. A
near hit of the other client may be older than a write until the event of the write has arrived,
and by at most ${toDuration(MESH_LEASE_MS)}. Any other read of an older value is stale.

Examples:
  meshcache replay web07.trace.gz
  meshcache replay orm-night.trace.gz --limit 1000000 --batch 64
  meshcache replay my.trace --format web --writes 0.1 --tag-writes 0.2 --seed 7 --json
  meshcache replay web07.trace.gz --client`;

export function addReplayCommand(program: Command, context: CommandContext): void {
  const command = program
    .command("replay")
    .description("replay an access trace against the server, and count stale reads")
    .argument("<file>", "file of the trace")
    .optionsGroup("Trace:")
    .addOption(
      new Option("--format <format>", "kind of the trace (default: the beginning of the file name)").choices(
        TRACE_FORMATS,
      ),
    )
    .addOption(countOption("--limit <n>", "replay only this many accesses", [1, Number.MAX_SAFE_INTEGER]))
    .optionsGroup("Traffic:")
    .addOption(
      new Option("--client", "use two clients with near caches, one of which writes").conflicts("batch"),
    )
    .addOption(countOption("--concurrency <n>", "number of calls at a time", [1, 1_024], 16))
    .addOption(countOption("--batch <n>", "accesses per call; more than 1 are one Batch", [1, 128], 16))
    .addOption(shareOption("--writes <share>", "share of the accesses that are writes", 0.02))
    .addOption(shareOption("--tag-writes <share>", "share of the writes that invalidate a whole tag", 0.05))
    .addOption(countOption("--value-bytes <n>", "median size of the values in bytes", [32, 4_096], 512))
    .addOption(
      countOption("--seed <n>", "seed of the random choice of writes and sizes", [0, 0xffff_ffff], 1),
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
  // Without the interruption's signal: an interrupted replay removes its entries too.
  const clear = async () => {
    await session.client.unary(
      CacheService.method.invalidate,
      { namespace: options.namespace, target: { case: "all", value: true } },
      { metadata: session.callOptions.metadata, timeoutMs: options.timeout },
    );
  };

  await clear();
  let progress: ProgressBar | undefined;
  let traffic: Traffic | undefined;
  try {
    const opened = await openTraffic(session, plan, options, () => progress?.update(opened.progress()));
    traffic = opened;
    progress = createProgressBar(terminal, plan.accesses);
    const startedAtMs = performance.now();
    await opened.run();
    const seconds = (performance.now() - startedAtMs) / 1000;
    if (terminal.interrupted.aborted) return exitCodeOfSignal(terminal.interrupted);
    progress.stop();
    await session.answer(
      () => opened.toJson(seconds),
      () => opened.describe(seconds),
    );
    return opened.coherent() ? EXIT.ok : EXIT.incoherent;
  } finally {
    progress?.stop();
    await traffic?.close();
    // An error of the replay itself is more important.
    await clear().catch(() => {});
  }
}

async function openTraffic(
  session: Session,
  plan: ReplayPlan,
  { client, namespace, timeout, seed, valueBytes }: ReplayOptions,
  onProgress: () => void,
): Promise<Traffic> {
  const parts = {
    origin: createOrigin(),
    payloads: createPayloads(systemRng.uint64(), seed, valueBytes),
    rng: createSeededRng(seed),
    interrupted: session.terminal.interrupted,
  };
  if (client) {
    const { address, tls, token } = session;
    const connection = {
      address,
      namespace,
      deadlineMs: timeout,
      ...(tls && { tls }),
      ...(token && { token: () => token }),
    };
    return openMeshTraffic(plan, seed, connection, { ...parts, onProgress });
  }
  const target = createReplayTarget(session, namespace);
  return createCallTraffic(plan, seed, { ...parts, target }, onProgress);
}
