/**
 * The boundary between bytes from outside and the process. A peer decides when callbacks of sockets, sessions, streams,
 * timers and message ports run, and in which state they find their stream. What such a callback throws would end the
 * process: Node has nobody else to tell. Here it ends the stream or connection that the callback belongs to, is
 * counted, and is reported once for each cause.
 *
 * `test/house/boundary-use.test.ts` finds callbacks that are registered without it.
 */
import { EventEmitter } from "node:events";
import type { Clock } from "./clock.ts";

/** The stream or connection that a callback belongs to. */
export interface Owner {
  /** Ends it at once. Does nothing when it has ended. */
  destroy(): void;
}

export interface Boundary {
  /** How many callbacks have thrown. */
  readonly faults: number;
  /**
   * Contains what any listener of `emitter` throws, whoever registered it and whenever: it destroys the emitter. Also
   * contains an `error` event that nobody listens for. Returns the emitter. Doing it twice changes nothing.
   */
  contain<Emitter extends EventEmitter & Owner>(emitter: Emitter): Emitter;
  /**
   * `callback`, and what it throws destroys `owner`, if there is one. For timers, turns, ports and completions of
   * writes.
   */
  guard<Args extends unknown[]>(
    owner: Owner | undefined,
    callback: (...args: Args) => void,
  ): (...args: Args) => void;
  /** Counts and reports what was thrown, and destroys `owner`. For loops that call many owners in turn. */
  caught(owner: Owner | undefined, error: unknown): void;
}

/** Causes that are remembered as reported. Beyond it nothing more is reported: faults are still counted. */
const CAUSES_MAX = 100;

/** `report`: told of each cause once. What it throws is dropped. */
export function createBoundary(report: (error: unknown) => void): Boundary {
  const causes = new Set<string>();
  let faults = 0;

  const reportOnce = (error: unknown): void => {
    const cause = causeOf(error);
    if (causes.size >= CAUSES_MAX || causes.has(cause)) return;
    causes.add(cause);
    report(error);
  };

  const caught = (owner: Owner | undefined, error: unknown): void => {
    faults += 1;
    quietly(() => reportOnce(error));
    quietly(() => owner?.destroy());
  };

  /** Takes the place of `emit`, so that no listener is outside of it. */
  function emitContained(this: EventEmitter & Owner, ...args: unknown[]): boolean {
    try {
      return Reflect.apply(EventEmitter.prototype.emit, this, args);
    } catch (error) {
      caught(this, error);
      return true;
    }
  }

  return {
    get faults() {
      return faults;
    },
    contain(emitter) {
      Reflect.set(emitter, "emit", emitContained);
      return emitter;
    },
    guard:
      (owner, callback) =>
      (...args) => {
        try {
          callback(...args);
        } catch (error) {
          caught(owner, error);
        }
      },
    caught,
  };
}

/** `clock`, with every callback that it schedules guarded. For timers that belong to no connection. */
export function guardTimers(clock: Clock, boundary: Boundary): Clock {
  return {
    nowMs: () => clock.nowMs(),
    nowMicros: () => clock.nowMicros(),
    schedule: (delayMs, run, holds) => clock.schedule(delayMs, boundary.guard(undefined, run), holds),
  };
}

/**
 * Where it was thrown, which is the same for a thousand peers that cause it: the first line of its stack may name
 * theirs.
 */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  const [, thrownAt = ""] = error.stack?.split("\n    at ", 2) ?? [];
  return `${error.name} ${thrownAt}`;
}

/** There is nobody left to tell. */
function quietly(run: () => void): void {
  try {
    run();
  } catch {}
}
