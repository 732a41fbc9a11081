/** A server that takes so many frames that carry nothing, on a clock that stands still: their rates are per second. */
import { createNoTelemetry } from "../../src/telemetry/no-telemetry.ts";
import type { ThreadObservation } from "../../src/telemetry/telemetry.ts";
import { ManualClock } from "./manual-clock.ts";
import { type RunningServer, startServer } from "./running-server.ts";

export const FRAMES_MAX = 500;
export const SETTINGS_FRAMES_MAX = 100;
/** Window updates that a peer may always send. */
export const UPDATES_MAX = 100;

export interface LimitedServer {
  readonly running: RunningServer;
  readonly clock: ManualClock;
  /** Floods that ended their connections. */
  floods(): Readonly<Record<string, number>> | undefined;
}

export async function startLimited(connectionMaxStreams: number): Promise<LimitedServer> {
  const clock = new ManualClock();
  let observed: ThreadObservation | undefined;
  const telemetry = {
    ...createNoTelemetry(),
    observeThread(thread: ThreadObservation) {
      observed = thread;
      return () => {};
    },
  };
  const transport = {
    connectionMaxStreams,
    connectionMaxPingsPerSecond: FRAMES_MAX,
    connectionMaxEmptyFramesPerSecond: FRAMES_MAX,
    connectionMaxSettingsPerSecond: SETTINGS_FRAMES_MAX,
  };
  const running = await startServer({ clock, transport, telemetry });
  return { running, clock, floods: () => observed?.frameFloods() };
}
