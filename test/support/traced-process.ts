/**
 * The telemetry of one server process, built as the command line builds it from the OTEL_* variables given here. It is
 * undone afterwards, because the SDK registers itself in globals.
 */
import { context, diag, logs, metrics, propagation, trace } from "@opentelemetry/api";
import { startTelemetrySdk, type TelemetrySdk } from "../../src/cli/telemetry/telemetry-sdk.ts";
import { createLogger } from "../../src/telemetry/logger.ts";
import { createTelemetry } from "../../src/telemetry/otel-telemetry.ts";
import type { Logger, Telemetry } from "../../src/telemetry/telemetry.ts";

export interface TracedProcess {
  readonly sdk: TelemetrySdk;
  readonly telemetry: Telemetry;
  readonly logger: Logger;
  /** All log lines so far. */
  readonly lines: readonly string[];
  /** Flushes for at most `timeoutMs` and restores the process. A second call does nothing. */
  stop(timeoutMs?: number): Promise<void>;
}

export async function startTracedProcess(env: Readonly<Record<string, string>>): Promise<TracedProcess> {
  const before = { ...process.env };
  for (const name of Object.keys(process.env)) if (name.startsWith("OTEL_")) delete process.env[name];
  Object.assign(process.env, env);
  const lines: string[] = [];
  const logger = createLogger({ level: "debug", destination: { write: (line) => void lines.push(line) } });
  const sdk = await startTelemetrySdk({ serviceVersion: "1.2.3", logger });
  const telemetry = createTelemetry({ ...sdk, logger });
  let stopped = false;
  return {
    sdk,
    telemetry,
    logger,
    lines,
    async stop(timeoutMs = 5_000) {
      if (stopped) return;
      stopped = true;
      await sdk.shutdown(timeoutMs);
      for (const api of [trace, metrics, logs, context, propagation, diag]) api.disable();
      for (const name of Object.keys(env)) delete process.env[name];
      Object.assign(process.env, before);
    },
  };
}
