/** A call of the library with operations of one shard: which function takes them, its arguments, and how it ended. */
import { CacheError } from "../common/errors.ts";
import type { EngineSpan } from "../telemetry/telemetry.ts";
import { type Argument, EngineError, type Reply } from "./engine/resp3.ts";
import type { NodeName } from "./engine/topology.ts";
import type { ShardKeys } from "./library/keys.ts";
import { isFreeing } from "./library/operations.ts";
import type { ShardOperation } from "./operation.ts";
import type { TierOptions } from "./options.ts";

/** "mc_read" changes nothing. "mc_free" only takes away, which an engine without memory does too. */
export type LibraryFunction = "mc_read" | "mc_free" | "mc_run";

/** The one that may run all operations of the call. */
export function functionOf(call: readonly ShardOperation[]): LibraryFunction {
  if (call.every(({ isRead }) => isRead)) return "mc_read";
  return call.some(needsMemory) ? "mc_run" : "mc_free";
}

export function needsMemory({ isRead, bytes }: ShardOperation): boolean {
  return !isRead && !isFreeing(bytes);
}

export function argumentsOf(
  name: LibraryFunction,
  { head, stream, entries }: ShardKeys,
  header: Buffer,
  call: readonly ShardOperation[],
): Argument[] {
  const args: Argument[] = [name === "mc_read" ? "FCALL_RO" : "FCALL", name, "", head, stream];
  for (const { keys } of call) for (const key of keys) args.push(entries + key);
  args[2] = String(args.length - 3);
  args.push(header);
  for (const { bytes } of call) args.push(bytes);
  return args;
}

/** One for each operation that is part of a trace. */
export function startSpans(
  telemetry: TierOptions["telemetry"],
  functionName: LibraryFunction,
  call: readonly ShardOperation[],
  { host, port }: NodeName["endpoint"],
): readonly EngineSpan[] {
  const spans: EngineSpan[] = [];
  for (const { traceparent } of call) {
    if (traceparent === "") continue;
    const engineCall = { functionName, address: host, port, operations: call.length };
    const span = telemetry.startEngineCall(engineCall, traceparent);
    if (span !== undefined) spans.push(span);
  }
  return spans;
}

/** How calls ended. */
export type CallCounts = Record<"answered" | "refused" | "lost", number>;

export function outcomeOf(reply: Reply | Error): keyof CallCounts {
  if (reply instanceof EngineError) return "refused";
  return reply instanceof Error ? "lost" : "answered";
}

/** For a span. Empty: there is none. */
export function errorOf(reply: Reply | Error): string {
  if (reply instanceof EngineError) return reply.code;
  return reply instanceof CacheError ? reply.reason : "";
}

/** Answers of the engine before which nothing has run, and after which another node, or the same one later, may serve the call. */
const ELSEWHERE: ReadonlySet<string> = new Set([
  "MOVED",
  "ASK",
  "TRYAGAIN",
  "CLUSTERDOWN",
  "READONLY",
  "LOADING",
  "MASTERDOWN",
]);

export function isElsewhere(error: unknown): boolean {
  return error instanceof EngineError && ELSEWHERE.has(error.code);
}

/** The engine has no code for it. */
export function isMissingLibrary(error: unknown): boolean {
  return error instanceof EngineError && error.code === "ERR" && error.message.includes("Function not found");
}

export function unexpectedReply(reply: Reply | undefined): CacheError {
  const cause = new Error(`the library answered with ${reply === null ? "nothing" : typeof reply}`);
  return new CacheError("INTERNAL", "internal error", {}, { cause });
}
