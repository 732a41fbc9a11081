/**
 * What a command sees of the process: its streams, its environment and its interruption. Only `main.ts` makes
 * one from the real process; tests make their own.
 */
import type { Readable, Writable } from "node:stream";

/** A stream that may be a terminal. */
export interface Output extends Writable {
  readonly isTTY?: boolean;
  readonly columns?: number;
}

export interface Terminal {
  readonly stdin: Readable;
  readonly stdout: Output;
  readonly stderr: Output;
  readonly env: Readonly<Record<string, string | undefined>>;
  /** Aborted at the first SIGINT or SIGTERM, with the signal's name as its reason. */
  readonly interrupted: AbortSignal;
}

/** Writes and waits until the stream took it, so that a large value is out before the process ends. */
export function write(stream: Writable, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()));
  });
}

export function writeLine(stream: Writable, line: string): Promise<void> {
  return write(stream, `${line}\n`);
}
