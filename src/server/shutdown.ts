/**
 * The gentle end. For the first half of its time the server goes on serving while clients, told by health and
 * by Draining frames, leave by themselves; then it ends the streams, retires the connections and waits for
 * the calls still running.
 */
import type { Clock } from "../common/clock.ts";
import { CacheError } from "../common/errors.ts";
import type { OpenCalls } from "./calls/registry.ts";
import type { Connections } from "./connections/listener.ts";
import type { DrainableStream, StreamRegistry } from "./streams/stream-registry.ts";

export interface DrainDeps {
  readonly clock: Clock;
  readonly calls: OpenCalls;
  readonly streams: StreamRegistry;
  readonly connections: Connections;
  readonly maxMs: number;
}

/** Resolves when nothing runs any more, or after `maxMs`. */
export async function drainServer(deps: DrainDeps): Promise<void> {
  const { clock, calls, streams, connections, maxMs } = deps;
  streams.draining = true;
  forEachStream(streams, (stream) => stream.drain());
  await waitUpTo(clock, maxMs / 2, calls.emptied());
  const draining = new CacheError("DRAINING", "the server is shutting down");
  forEachStream(streams, (stream) => stream.end(draining));
  connections.retire();
  await waitUpTo(clock, maxMs / 2, connections.emptied());
}

/** One stream that fails does not keep the others from being told. */
function forEachStream({ open, boundary }: StreamRegistry, tell: (stream: DrainableStream) => void): void {
  for (const stream of open) boundary.guard(undefined, tell)(stream);
}

/** Resolves when `done` does, or after `ms`. */
export function waitUpTo(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve) => {
    const timer = clock.schedule(ms, resolve);
    void done.then(() => {
      timer.cancel();
      resolve();
    });
  });
}
