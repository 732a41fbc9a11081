/** Reports an error: as a line for people or an object for programs, and by its exit code. */
import type { CacheError, CacheErrorReason } from "../../common/errors.ts";
import { CliError, EXIT, type ExitCode } from "./exit-codes.ts";
import { toJsonLine } from "./json.ts";
import { type Terminal, writeLine } from "./terminal.ts";
import { oneLine } from "./text.ts";

const EXIT_OF: Record<CacheErrorReason, ExitCode> = {
  FIELD_INVALID: EXIT.refused,
  LIMIT_EXCEEDED: EXIT.refused,
  UNAUTHENTICATED: EXIT.refused,
  PERMISSION_DENIED: EXIT.refused,
  DRAINING: EXIT.unavailable,
  UNAVAILABLE: EXIT.unavailable,
  DEADLINE: EXIT.timeout,
  CANCELLED: EXIT.fault,
  CLOSED: EXIT.unavailable,
  CODEC: EXIT.fault,
  LOADER_TIMEOUT: EXIT.timeout,
  INTERNAL: EXIT.fault,
};

/** The error of a call to the server at `address`, in words for the user of the command line. */
export function fromCacheError(error: CacheError, address: string): CliError {
  const message = (() => {
    switch (error.reason) {
      case "UNAVAILABLE":
        return `no server answers at ${address} (is it running? --address names another server)`;
      case "DRAINING":
        return `the server at ${address} is shutting down`;
      case "DEADLINE":
        return `no answer from ${address} in time (${isConnecting(error) ? "not even to the connection: is --address its gRPC port? " : ""}--timeout allows more)`;
      case "INTERNAL":
        return `the server at ${address} failed: ${error.message}`;
      default:
        return error.message;
    }
  })();
  return new CliError(EXIT_OF[error.reason], error.reason, message, { detail: error.detail, cause: error });
}

/** The deadline of the call has passed before it was sent: grpc-js says in which step. */
const isConnecting = ({ message }: CacheError): boolean => /LB pick|[Nn]ame resolution/.test(message);

/** The exit code for the signal that interrupted the command. */
export function exitCodeOfSignal(signal: AbortSignal): ExitCode {
  return signal.reason === "SIGTERM" ? EXIT.terminated : EXIT.interrupted;
}

/** Writes on stderr why the command ended, unless a signal ended it. Returns its exit code. */
export async function reportFailure(error: unknown, terminal: Terminal, json: boolean): Promise<ExitCode> {
  if (terminal.interrupted.aborted) return exitCodeOfSignal(terminal.interrupted);
  const failure =
    error instanceof CliError
      ? error
      : new CliError(EXIT.fault, "FAULT", error instanceof Error ? error.message : String(error));
  const { reason, message, detail, notes, exitCode } = failure;
  if (json) {
    const object = { error: { ...detail, reason, message, ...(notes.length === 0 ? {} : { notes }) } };
    await writeLine(terminal.stderr, toJsonLine(object));
  } else {
    const lines = [`meshcache: ${oneLine(message)}`, ...notes.map((note) => `  ${oneLine(note)}`)];
    await writeLine(terminal.stderr, lines.join("\n"));
  }
  return exitCode;
}
