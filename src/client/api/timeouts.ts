/** Waiting on the client's clock. */
import type { Clock } from "../../common/clock.ts";
import { onAbort } from "./signals.ts";

/** Resolves after `delayMs`. */
export function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => {
    clock.schedule(delayMs, resolve);
  });
}

/**
 * The result of `work`, or undefined when it takes longer than `limitMs` or `signal` is aborted first. Rejects as `work`
 * does; `work` itself goes on.
 */
export function runWithin<Result>(
  clock: Clock,
  limitMs: number,
  work: Promise<Result>,
  signal?: AbortSignal,
): Promise<Result | undefined> {
  return new Promise((resolve, reject) => {
    let stopListening: (() => void) | undefined;
    const leave = () => {
      timer.cancel();
      stopListening?.();
    };
    const giveUp = () => {
      leave();
      resolve(undefined);
    };
    const timer = clock.schedule(limitMs, giveUp);
    if (signal?.aborted) giveUp();
    else if (signal !== undefined) stopListening = onAbort(signal, giveUp);
    work.then(
      (result) => {
        leave();
        resolve(result);
      },
      (error) => {
        leave();
        reject(error);
      },
    );
  });
}
