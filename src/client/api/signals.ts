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

/**
 * Calls `run`, which must not throw, when the signal is aborted. Returns what ends that, and never throws. Throws
 * FIELD_INVALID for an object that is no event target.
 */
export function onAbort(signal: AbortSignal, run: () => void): () => void {
  try {
    addEventListener.call(signal, "abort", run, ONCE);
  } catch {
    throw fieldInvalid("signal", "an AbortSignal");
  }
  return () => {
    try {
      removeEventListener.call(signal, "abort", run);
    } catch {
      // It is no event target any more. The call is settled, and does nothing when it is aborted.
    }
  };
}

/** Why the signal was aborted. Undefined for one that cannot say. */
export function reasonOf(signal: AbortSignal): unknown {
  try {
    return signal.reason;
  } catch {
    return undefined;
  }
}
