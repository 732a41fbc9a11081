/**
 * Graceful shutdown. In the first half of its time the server goes on serving, while clients that health and Draining frames
 * have told leave by themselves. Then it ends the streams, lets connections take no new calls and waits until they are closed.
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
  readonly connections: Pick<Connections, "open" | "retire" | "emptied">;
  readonly maxMs: number;
}

/** Resolves when the last connection is closed, or after `maxMs`, with the number of those that are still open. */
export async function drainServer(deps: DrainDeps): Promise<number> {
  const { clock, calls, streams, connections, maxMs } = deps;
  streams.draining = true;
  forEachStream(streams, (stream) => stream.drain());
  await waitUpTo(clock, maxMs / 2, calls.emptied());
  const draining = new CacheError("DRAINING", "the server is shutting down");
  forEachStream(streams, (stream) => stream.end(draining));
  connections.retire();
  await waitUpTo(clock, maxMs / 2, connections.emptied());
  return connections.open;
}

/** `tell` is called for every stream, although it throws for one of them. */
function forEachStream({ open, boundary }: StreamRegistry, tell: (stream: DrainableStream) => void): void {
  for (const stream of open) boundary.guard(undefined, tell)(stream);
}

/** Resolves when `done` does, or after `ms`. Rejects when `done` does before. */
export function waitUpTo(clock: Clock, ms: number, done: Promise<unknown>): Promise<void> {
  return new Promise((resolve, reject) => {
    const timer = clock.schedule(ms, resolve);
    done.then(
      () => {
        timer.cancel();
        resolve();
      },
      (error) => {
        timer.cancel();
        reject(error);
      },
    );
  });
}
