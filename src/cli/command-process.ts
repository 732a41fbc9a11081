/** Runs the command line with this process's streams, signals and environment. */
import { constants } from "node:os";
import { EXIT } from "./output/exit-codes.ts";
import { reportFailure } from "./output/failure.ts";
import type { Terminal } from "./output/terminal.ts";
import { run } from "./program.ts";

/** Runs the command that the process was started with, and sets the exit code. Called once in a process. */
export async function runCommandProcess(): Promise<void> {
  const terminal = processTerminal();
  // Node's exit code would be 1, which means "the answer is no" here.
  process.on("uncaughtException", (error) => {
    void reportFailure(error, terminal, process.argv.includes("--json")).then((code) => process.exit(code));
  });
  // Keeps the process alive until the command ends: a client that waits to reconnect has only unreferenced timers.
  const alive = setInterval(() => {}, 2 ** 30);
  process.exitCode = await run(process.argv.slice(2), terminal);
  clearInterval(alive);
}

function processTerminal(): Terminal {
  const interruption = new AbortController();

  /** The first signal interrupts the command, the second ends the process. */
  function onSignal(signal: "SIGINT" | "SIGTERM"): void {
    if (interruption.signal.aborted) process.exit(128 + constants.signals[signal]);
    interruption.abort(signal);
  }
  process.on("SIGINT", onSignal);
  process.on("SIGTERM", onSignal);

  process.stdout.on("error", onOutputError);
  process.stderr.on("error", onOutputError);

  return {
    stdin: process.stdin,
    stdout: process.stdout,
    stderr: process.stderr,
    env: process.env,
    interrupted: interruption.signal,
  };
}

/** The reader of the output has closed it (`meshcache watch | head`): ends as SIGPIPE would. */
function onOutputError(error: NodeJS.ErrnoException): void {
  process.exit(error.code === "EPIPE" ? EXIT.brokenPipe : EXIT.fault);
}
