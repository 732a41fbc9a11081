/** The check after every hostile input: the server still serves, and no error was unhandled. */
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import type { ServerOptions } from "../../src/server/index.ts";
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { Logger } from "../../src/telemetry/telemetry.ts";
import { type RunningServer, startServer } from "./running-server.ts";
import { countUnhandled, type UnhandledCount } from "./unhandled.ts";

export interface Survivor {
  readonly running: RunningServer;
  /** All log lines of the server, as text. */
  readonly log: string[];
}

/** Registers the hooks for a file of tests that attack one server. */
export function surviveWith(options: ServerOptions = {}): () => Survivor {
  let running: RunningServer | undefined;
  let unhandled: UnhandledCount | undefined;
  const log: string[] = [];
  const note = (fields: object, message: string) => {
    const causes = Object.values(fields).map((field) => (field instanceof Error ? field.stack : field));
    log.push(JSON.stringify([message, causes]));
  };
  const logger: Logger = { info: note, warn: note, error: note };
  beforeAll(async () => {
    unhandled = countUnhandled();
    running = await startServer({ telemetry: createNoTelemetry(logger), ...options });
  });
  afterEach(async () => {
    expect(await running?.health()).toBe("SERVING");
    expect(unhandled?.errors).toEqual([]);
  });
  afterAll(async () => {
    await running?.stop();
    unhandled?.stop();
  });
  return () => {
    if (running === undefined) throw new Error("the server has not started");
    return { running, log };
  };
}
