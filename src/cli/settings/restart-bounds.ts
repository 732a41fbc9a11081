/** How long a server with given settings may take to stop in order and to start: what a supervisor must wait for. */
import { snapshotMaxBytes } from "./memory-model.ts";
import type { Settings } from "./settings.ts";

/**
 * A slow network volume or a busy hard disk. A snapshot is written and loaded thirty times as fast where the disk keeps up: see
 * "A restart" in docs/benchmarks.md.
 */
const SLOW_DISK_BYTES_PER_S = 32 * 2 ** 20;

/** For the last calls after the drain, the last export of telemetry and the end of the workers. */
const STOP_REST_MS = 10_000;

/** For an empty store: half a second on an idle machine. */
const EMPTY_START_MS = 30_000;

export interface RestartBounds {
  /** The largest that the snapshot may become. 0 without `snapshot`. */
  readonly snapshotMaxBytes: number;
  /** From SIGTERM to the end of the process. */
  readonly stopMaxMs: number;
  /** From the start of the process until it serves. */
  readonly startMaxMs: number;
}

export function restartBounds(settings: Settings): RestartBounds {
  const bytes = settings.snapshot === "" ? 0 : snapshotMaxBytes(settings);
  const diskMs = Math.ceil(bytes / SLOW_DISK_BYTES_PER_S) * 1_000;
  return {
    snapshotMaxBytes: bytes,
    stopMaxMs: settings.drainMaxMs + STOP_REST_MS + diskMs,
    startMaxMs: EMPTY_START_MS + diskMs,
  };
}
