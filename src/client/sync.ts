/** `MeshCache.sync()`: waits until every event from before the call has been applied here. */
import type { Clock } from "../common/clock.ts";
import { CacheError } from "../common/errors.ts";
import { onAbort } from "./api/signals.ts";
import type { Connection } from "./connection/connection.ts";
import { cancelled } from "./operations/runner.ts";

export interface SyncDeps {
  readonly connection: Connection;
  readonly clock: Clock;
  /** Aborted when the client is closed. */
  readonly closing: AbortSignal;
}

/** Rejects with DEADLINE, UNAVAILABLE, CANCELLED or CLOSED. */
export function sync(
  { connection, clock, closing }: SyncDeps,
  deadlineMs: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  return new Promise((resolve, reject) => {
    const listening: (() => void)[] = [];
    const leave = () => {
      timer.cancel();
      cancelBarrier();
      for (const stopListening of listening) stopListening();
    };
    const fail = (error: CacheError) => {
      leave();
      reject(error);
    };
    const timer = clock.schedule(deadlineMs, () =>
      fail(new CacheError("DEADLINE", "the events did not arrive by the deadline")),
    );
    const cancelBarrier = connection.barrier(() => {
      leave();
      resolve();
    });
    const onClose = () => fail(new CacheError("CLOSED", "the client is closed"));
    listening.push(onAbort(closing, onClose));
    if (signal !== undefined) listening.push(onAbort(signal, () => fail(cancelled(signal))));
    if (closing.aborted) onClose();
    else if (connection.state === "unavailable") fail(connection.unreachable());
  });
}
