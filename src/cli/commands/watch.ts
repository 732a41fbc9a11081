/**
 * `meshcache watch`: follows the invalidation stream. After a lost connection it resumes with the cursor of the last
 * frame that was printed, so that the missed events are printed too, or a gap is reported.
 */

import { setTimeout as delay } from "node:timers/promises";
import { type Command, InvalidArgumentError, Option } from "commander";
import { CacheService, type StreamResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { CacheError } from "../../common/errors.ts";
import { fromServiceError } from "../../rpc/status.ts";
import { EXIT, type ExitCode } from "../output/exit-codes.ts";
import { exitCodeOfSignal } from "../output/failure.ts";
import { countOption, listOption } from "../service/options.ts";
import {
  addNamespaceOptions,
  type CommandContext,
  type NamespaceOptions,
  runSession,
  type Session,
} from "../service/session.ts";
import { FramePrinter } from "./watch-frames.ts";

interface WatchOptions extends NamespaceOptions {
  readonly prefix?: readonly string[];
  readonly cursor?: Uint8Array;
  readonly count?: number;
}

const HELP = `
Events go to stdout, remarks to stderr. With --json every frame goes to stdout; a frame from which
a watch can resume has a cursor. After a lost connection the watch resumes where it was. When
events may be missing, it reports a gap.

Examples:
  meshcache watch
  meshcache watch --namespace users --prefix user: --prefix team:
  meshcache watch --json --cursor "$LAST_CURSOR"`;

const RETRY_FIRST_MS = 200;
const RETRY_MAX_MS = 5_000;

export function addWatchCommand(program: Command, context: CommandContext): void {
  const cursor = new Option(
    "--cursor <base64>",
    "resume after the frame with this cursor, from watch --json",
  ).argParser((text: string) => {
    const bytes = Buffer.from(text, "base64");
    if (bytes.length === 0) throw new InvalidArgumentError("It must be a cursor from watch --json.");
    return bytes;
  });
  const command = program
    .command("watch")
    .description("print sets, touches and invalidations as they happen")
    .addOption(listOption("--prefix <prefix>", "only keys with this prefix; may be repeated"))
    .addOption(cursor)
    .addOption(
      countOption("--count <n>", "end after this many lines of events", [1, Number.MAX_SAFE_INTEGER]),
    );
  addNamespaceOptions(command, context)
    .addHelpText("after", HELP)
    .action((options: WatchOptions) => runSession(context, options, (session) => watch(session, options)));
}

async function watch(session: Session, options: WatchOptions): Promise<ExitCode> {
  const { interrupted } = session.terminal;
  const printer = new FramePrinter(session, options.namespace, options.count ?? Number.POSITIVE_INFINITY);
  let cursor = options.cursor ?? NO_BYTES;
  let retryMs = RETRY_FIRST_MS;
  while (!interrupted.aborted) {
    try {
      for await (const frame of openStream(session, options, cursor, !printer.opened)) {
        await printer.print(frame);
        if (printer.full) return EXIT.ok;
        // Only after printing: events before the cursor are not sent again.
        cursor = resumeFrom(frame, cursor);
        // Leaves at once, so that the drain ends sooner. The loop reconnects.
        if (frame.frame.case === "draining") break;
        if (frame.frame.case !== "opened") retryMs = RETRY_FIRST_MS;
      }
    } catch (error) {
      if (interrupted.aborted) break;
      // The first connection must succeed, and a refusal is final.
      if (!printer.opened || !isTransient(error)) throw error;
    }
    await printer.disconnected();
    await delay(retryMs * (0.5 + Math.random() / 2), undefined, { signal: interrupted }).catch(() => {});
    retryMs = Math.min(2 * retryMs, RETRY_MAX_MS);
  }
  return exitCodeOfSignal(interrupted);
}

/**
 * The frames of one connection. Throws a CacheError when it breaks. `isFirst`: the server must open the stream within
 * --timeout.
 */
async function* openStream(
  { client, callOptions: { metadata, signal } }: Session,
  { namespace, timeout, prefix = [] }: WatchOptions,
  cursor: Uint8Array,
  isFirst: boolean,
): AsyncGenerator<StreamResponse> {
  const call = client.serverStream(
    CacheService.method.stream,
    { namespace, prefixes: [...prefix], cursor },
    { metadata, signal },
  );
  let failure: CacheError | undefined;
  // This listener also handles the error that follows a cancel, which would end the process.
  call.on("error", (error: Parameters<typeof fromServiceError>[0]) => {
    failure ??= fromServiceError(error);
  });
  const giveUp = () => {
    failure = new CacheError("DEADLINE", "the stream was not opened in time");
    call.cancel();
  };
  const timer = isFirst ? setTimeout(giveUp, timeout) : undefined;
  try {
    for await (const frame of call) {
      clearTimeout(timer);
      yield frame;
    }
  } catch (error) {
    throw failure ?? error;
  } finally {
    clearTimeout(timer);
    call.cancel();
  }
}

function isTransient(error: unknown): boolean {
  return (
    error instanceof CacheError && ["UNAVAILABLE", "DRAINING", "DEADLINE", "CANCELLED"].includes(error.reason)
  );
}

/** The cursor after `frame`. While it resumes, Opened does not change it: the missed events come later. */
function resumeFrom({ frame }: StreamResponse, cursor: Uint8Array): Uint8Array<ArrayBufferLike> {
  switch (frame.case) {
    case "opened":
      return cursor.length === 0 ? frame.value.cursor : cursor;
    case "events":
    case "progress":
    case "gap":
      return frame.value.cursor;
    default:
      return cursor;
  }
}
