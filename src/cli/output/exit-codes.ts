/** What a command's exit says to a script, in one place: the codes, their table, and the error that carries one. */

export const EXIT = {
  ok: 0,
  negative: 1,
  usage: 2,
  unavailable: 3,
  refused: 4,
  timeout: 5,
  incoherent: 6,
  noFile: 7,
  fault: 70,
  interrupted: 130,
  brokenPipe: 141,
  terminated: 143,
} as const;

export type ExitCode = (typeof EXIT)[keyof typeof EXIT];

/** The meaning of every code, as `--help` and the README print it. */
export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.ok, "done"],
  [EXIT.negative, "the answer is no: a miss, not stored, not touched"],
  [EXIT.usage, "wrong usage or configuration; nothing was sent"],
  [EXIT.unavailable, "the server cannot be reached, cannot listen, or is shutting down"],
  [EXIT.refused, "the server refused the request: a field or a limit"],
  [EXIT.timeout, "no answer in time: a write may or may not have taken effect"],
  [EXIT.incoherent, "replay: a read was stale or wrong"],
  [EXIT.noFile, "a named file cannot be read; nothing was done"],
  [EXIT.fault, "a fault of the server or of this program"],
  [EXIT.interrupted, "ended by SIGINT (serve: only when forced)"],
  [EXIT.brokenPipe, "whoever read the output has gone"],
  [EXIT.terminated, "ended by SIGTERM (serve: only when forced)"],
];

export interface CliErrorOptions extends ErrorOptions {
  /** For `--json`: what it concerns. */
  readonly detail?: Readonly<Record<string, string>>;
  /** Further lines, such as one for each of several faults. */
  readonly notes?: readonly string[];
}

/** Ends a command with one line on stderr. The message may name what the user typed: it goes back to them alone. */
export class CliError extends Error {
  override readonly name = "CliError";
  readonly exitCode: ExitCode;
  /** For `--json`: stable, as in CacheError. */
  readonly reason: string;
  readonly detail: Readonly<Record<string, string>>;
  readonly notes: readonly string[];

  constructor(exitCode: ExitCode, reason: string, message: string, options: CliErrorOptions = {}) {
    super(message, options);
    this.exitCode = exitCode;
    this.reason = reason;
    this.detail = options.detail ?? {};
    this.notes = options.notes ?? [];
  }
}

export function usageError(message: string): CliError {
  return new CliError(EXIT.usage, "USAGE", message);
}
