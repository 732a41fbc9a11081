/** Runs the command line in this process, on streams that a test can read and wait for. */
import { Readable, Writable } from "node:stream";
import type { ExitCode } from "../../src/cli/output/exit-codes.ts";
import type { Output } from "../../src/cli/output/terminal.ts";
import { run } from "../../src/cli/program.ts";
import type { Machine } from "../../src/cli/settings/machine.ts";
import { CALM } from "./test-workers.ts";

/** The text that was written to one stream. */
export class Captured extends Writable implements Output {
  readonly isTTY: boolean;
  readonly columns = 100;
  readonly #chunks: Buffer[] = [];
  readonly #waiting = new Set<() => void>();

  constructor(isTTY = false) {
    super({ decodeStrings: true });
    this.isTTY = isTTY;
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, done: () => void): void {
    this.#chunks.push(Buffer.from(chunk));
    for (const check of this.#waiting) check();
    done();
  }

  bytes(): Buffer {
    return Buffer.concat(this.#chunks);
  }

  text(): string {
    return this.bytes().toString();
  }

  lines(): string[] {
    return this.text().split("\n").slice(0, -1);
  }

  /** Resolves once the text matches. Otherwise the timeout of the test ends the wait. */
  until(pattern: RegExp): Promise<void> {
    return new Promise((resolve) => {
      const check = () => {
        if (!pattern.test(this.text())) return;
        this.#waiting.delete(check);
        resolve();
      };
      this.#waiting.add(check);
      check();
    });
  }
}

/** Two cores of Linux, without limits. */
export function machineOf(properties: Partial<Machine> = {}): Machine {
  return { cores: 2, platform: "linux", memoryBytes: undefined, cpus: undefined, ...properties };
}

export interface CommandOptions {
  readonly stdin?: string | Uint8Array | Readable;
  readonly env?: Readonly<Record<string, string>>;
  /** Whether stdout and stderr are terminals. */
  readonly tty?: boolean;
  /** Default: two cores without limits. */
  readonly machine?: Machine;
}

export interface RunningCommand {
  readonly stdout: Captured;
  readonly stderr: Captured;
  readonly exitCode: Promise<ExitCode>;
  interrupt(signal: "SIGINT" | "SIGTERM"): void;
}

function toReadable(stdin: CommandOptions["stdin"]): Readable {
  if (stdin instanceof Readable) return stdin;
  return Readable.from(stdin === undefined ? [] : [Buffer.from(stdin)]);
}

export function startCommand(argv: readonly string[], options: CommandOptions = {}): RunningCommand {
  const stdout = new Captured(options.tty);
  const stderr = new Captured(options.tty);
  const interruption = new AbortController();
  const terminal = {
    stdin: toReadable(options.stdin),
    stdout,
    stderr,
    env: { ...(argv[0] === "serve" && { MESHCACHE_SHED_AFTER_MS: `${CALM.shedAfterMs}` }), ...options.env },
    interrupted: interruption.signal,
  };
  const exitCode = run(argv, terminal, () => options.machine ?? machineOf());
  return { stdout, stderr, exitCode, interrupt: (signal) => interruption.abort(signal) };
}

export interface FinishedCommand {
  readonly exitCode: ExitCode;
  readonly stdout: string;
  readonly stderr: string;
  readonly bytes: Buffer;
}

export async function runCommand(
  argv: readonly string[],
  options: CommandOptions = {},
): Promise<FinishedCommand> {
  const { stdout, stderr, exitCode } = startCommand(argv, options);
  return { exitCode: await exitCode, stdout: stdout.text(), stderr: stderr.text(), bytes: stdout.bytes() };
}
