/**
 * Contains what callbacks throw. A peer decides when the callbacks of sockets, sessions, streams, timers and message
 * ports run, and in which state they find their stream. An error that such a callback throws has no caller, so Node
 * would end the process. Here it ends the stream or connection that the callback belongs to, is counted, and is
 * reported once for each cause.
 *
 * `test/house/boundary-use.test.ts` finds callbacks that are registered without this.
 */
import { EventEmitter } from "node:events";
import type { Clock } from "./clock.ts";
import { placeOf } from "./errors.ts";

/** The stream or connection that a callback belongs to. */
export interface Owner {
  /** Ends it at once. Does nothing after its end. */
  destroy(): void;
}

/** `Result`, or `never` where it may be a promise. */
export type NoPromise<Result> = [Extract<Result, PromiseLike<unknown>>] extends [never] ? Result : never;

export interface Boundary {
  /** How many callbacks have thrown. */
  readonly faults: number;
  /**
   * Makes `emitter` destroy itself when one of its listeners throws, also one that is registered later, and when it
   * emits an `error` event without a listener. Returns the emitter. A second call changes nothing.
   */
  contain<Emitter extends EventEmitter & Owner>(emitter: Emitter): Emitter;
  /**
   * Wraps `callback`: what it throws destroys `owner`, if there is one. For timers, ports and completions of writes.
   * A callback that returns a promise does not compile, since its rejection would not be contained.
   */
  guard<Args extends unknown[], Result>(
    owner: Owner | undefined,
    callback: (...args: Args) => NoPromise<Result>,
  ): (...args: Args) => void;
  /** Counts and reports an error, and destroys `owner`. For loops over many owners, which catch errors themselves. */
  caught(owner: Owner | undefined, error: unknown): void;
}

/** Distinct causes that are reported. Further ones are only counted. */
const CAUSES_MAX = 100;

/** `report` is called once for each cause. Errors of its own are ignored. */
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

  /** Replaces `emit`, through which every listener is called. */
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
    wallMs: () => clock.wallMs(),
    schedule: (delayMs, run, holds) => clock.schedule(delayMs, boundary.guard(undefined, run), holds),
  };
}

/** The place where it was thrown, without the message: the message may differ for each peer. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error;
  return `${error.name} ${placeOf(error)}`;
}

/** Ignores errors: they have no caller, and this is where they would be reported. */
function quietly(run: () => void): void {
  try {
    run();
  } catch {}
}
