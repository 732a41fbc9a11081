/** The exit codes of all commands, their meanings, and the error that ends a command with one of them. */

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

/** The meaning of each code, as `--help` and the table in docs/cli.md have it. */
export const EXIT_MEANINGS: readonly (readonly [code: ExitCode, meaning: string])[] = [
  [EXIT.ok, "done"],
  [
    EXIT.negative,
    "the answer is no: a miss, not stored, not touched, not incremented, not allowed, not connected",
  ],
  [EXIT.usage, "wrong usage or configuration; nothing was done"],
  [EXIT.unavailable, "the server cannot be reached, cannot listen, or is shutting down"],
  [EXIT.refused, "the server refused the request: a field is out of its range, or a limit is reached"],
  [EXIT.timeout, "no answer in time: a write may or may not have taken effect"],
  [EXIT.incoherent, "replay: a read was stale or wrong"],
  [EXIT.noFile, "a named file cannot be read; nothing was done"],
  [EXIT.fault, "a fault in the server or in this program"],
  [EXIT.interrupted, "ended by SIGINT (serve: by the second one)"],
  [EXIT.brokenPipe, "the reader of the output has closed it"],
  [EXIT.terminated, "ended by SIGTERM (serve: by the second one)"],
];

export interface CliErrorOptions extends ErrorOptions {
  /** For `--json`: the field or the limit, as in CacheError. */
  readonly detail?: Readonly<Record<string, string>>;
  /** Further lines, one for each of several faults. */
  readonly notes?: readonly string[];
}

/** Ends a command with one line on stderr. The message may contain what the user typed: only they see it. */
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
