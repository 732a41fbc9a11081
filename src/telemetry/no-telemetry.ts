/** A telemetry that keeps nothing: for tests and for servers that are not observed. */
import type { CallSpan, Logger, Telemetry } from "./telemetry.ts";

const silentLogger: Logger = {
  info: () => {},
  warn: () => {},
  error: () => {},
};

const unsampledCall: CallSpan = {
  traceparent: "",
  sampled: false,
  set: () => {},
  end: () => {},
};

/** Only `logger` does anything, and only when one is given. */
export function createNoTelemetry(logger: Logger = silentLogger): Telemetry {
  return {
    logger,
    startCall: () => unsampledCall,
    startOperation: () => undefined,
    withCall: (_call, body) => body(),
    observeProcess: () => () => {},
    observeThread: () => () => {},
  };
}
