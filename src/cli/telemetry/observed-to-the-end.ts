/**
 * Keeps the instruments of a server after its end, so that the last export, which comes later, has the last counts.
 */
import type { Telemetry } from "../../telemetry/telemetry.ts";

export function observedToTheEnd(telemetry: Telemetry): Telemetry {
  const observeProcess: Telemetry["observeProcess"] = (store, process) => {
    telemetry.observeProcess(store, process);
    return () => {};
  };
  const observeThread: Telemetry["observeThread"] = (thread) => {
    telemetry.observeThread(thread);
    return () => {};
  };
  return { ...telemetry, observeProcess, observeThread };
}
