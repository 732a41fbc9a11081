/** Hands the process to the command line, and its exit code back. What starts it is launch.ts. */
import { enableCompileCache } from "node:module";
import { constants } from "node:os";
import { EXIT } from "./output/exit-codes.ts";

// Halves what a command waits before it does anything; so the rest is imported after it.
enableCompileCache();
const { run } = await import("./program.ts");
const { reportFailure } = await import("./output/failure.ts");

const interruption = new AbortController();

/** The first signal asks, the second one insists. */
function onSignal(signal: "SIGINT" | "SIGTERM"): void {
  if (interruption.signal.aborted) process.exit(128 + constants.signals[signal]);
  interruption.abort(signal);
}
process.on("SIGINT", onSignal);
process.on("SIGTERM", onSignal);

/** Whoever read our output has gone (`meshcache watch | head`): there is nobody left to tell, so end as SIGPIPE would. */
function onOutputError(error: NodeJS.ErrnoException): void {
  process.exit(error.code === "EPIPE" ? EXIT.brokenPipe : EXIT.fault);
}
process.stdout.on("error", onOutputError);
process.stderr.on("error", onOutputError);

const terminal = {
  stdin: process.stdin,
  stdout: process.stdout,
  stderr: process.stderr,
  env: process.env,
  interrupted: interruption.signal,
};

// Node's own code for it is 1, which says here that the answer is no.
process.on("uncaughtException", (error) => {
  void reportFailure(error, terminal, process.argv.includes("--json")).then((code) => process.exit(code));
});

// A client that waits to connect again has but timers that keep no process alive, and its caller waits for it.
const alive = setInterval(() => {}, 2 ** 30);
process.exitCode = await run(process.argv.slice(2), terminal);
clearInterval(alive);
