/** Telemetry whose instruments outlive the server: the last export comes after it, and is to have the last counts. */
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
