/** Telemetry that records nothing: for tests and for servers that are not observed. */
import type { CallSpan, Logger, Telemetry } from "./telemetry.ts";

const SILENT_LOGGER: Logger = {
  info: () => {},
  warn: () => {},
  error: () => {},
};

/** The span of a call that is not observed. */
export const UNSAMPLED_CALL: CallSpan = {
  traceparent: "",
  sampled: false,
  set: () => {},
  end: () => {},
};

/** Log lines go to `logger`, by default nowhere. */
export function createNoTelemetry(logger: Logger = SILENT_LOGGER): Telemetry {
  return {
    logger,
    startCall: () => UNSAMPLED_CALL,
    startOperation: () => undefined,
    startEngineCall: () => undefined,
    withCall: (_call, body) => body(),
    observeProcess: () => () => {},
    observeThread: () => () => {},
  };
}
