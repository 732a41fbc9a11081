/**
 * Use of the AbortSignals of callers, by the methods of their class alone: a signal may have methods and properties of its
 * own, which may throw.
 */
import { fieldInvalid } from "../../common/errors.ts";

const ONCE = { once: true } as const;
const { addEventListener, removeEventListener } = EventTarget.prototype;
const aborted = Object.getOwnPropertyDescriptor(AbortSignal.prototype, "aborted")?.get;

export function isAbortSignal(value: unknown): value is AbortSignal {
  try {
    return value instanceof AbortSignal && typeof aborted?.call(value) === "boolean";
  } catch {
    return false;
  }
}

/** For what `isAbortSignal` accepts. */
export function isAborted(signal: AbortSignal): boolean {
  return aborted?.call(signal) === true;
}

/** What waits for each signal. One listener for all: each more that a signal has takes as long to add as it has already. */
const waiting = new WeakMap<AbortSignal, Waiting>();

class Waiting {
  readonly #signal: AbortSignal;
  readonly #runs = new Set<() => void>();
  readonly #aborted = () => {
    waiting.delete(this.#signal);
    for (const run of this.#runs) run();
  };

  constructor(signal: AbortSignal) {
    this.#signal = signal;
    addEventListener.call(signal, "abort", this.#aborted, ONCE);
  }

  add(run: () => void): void {
    this.#runs.add(run);
  }

  delete(run: () => void): void {
    this.#runs.delete(run);
    if (this.#runs.size > 0 || waiting.get(this.#signal) !== this) return;
    waiting.delete(this.#signal);
    try {
      removeEventListener.call(this.#signal, "abort", this.#aborted);
    } catch {
      // It is no event target any more. Nothing waits for it.
    }
  }
}

/**
 * Calls `run`, which must not throw, when the signal is aborted. Returns what ends that, and never throws. Throws
 * FIELD_INVALID for an object that is no event target.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  let calls = waiting.get(signal);
  if (calls === undefined) {
    calls = waitFor(signal);
    waiting.set(signal, calls);
  }
  calls.add(run);
  return () => calls.delete(run);
}

function waitFor(signal: AbortSignal): Waiting {
  try {
    return new Waiting(signal);
  } catch {
    throw fieldInvalid("signal", "an AbortSignal");
  }
}

/** Why the signal was aborted. Undefined for one that cannot say. */
export function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch {
    return undefined;
  }
}
