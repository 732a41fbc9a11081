/** Refuses promises where a value is wanted. */
import { isPromise } from "node:util/types";

const ignore = (): void => {};

/**
 * Throws a TypeError with `message` when `value` is a promise or another object with a `then` method. Its rejection is
 * handled, so that it does not end the process.
 */
export function refusePromise(value: unknown, message: string): void {
  if ((typeof value !== "object" && typeof value !== "function") || value === null) return;
  if (isPromise(value)) {
    Promise.prototype.then.call(value, ignore, ignore);
    throw new TypeError(message);
  }
  if (!("then" in value) || typeof value.then !== "function") return;
  new Promise((resolve) => resolve(value)).catch(ignore);
  throw new TypeError(message);
}
