/** A store of the tier whose answers are told to a judge. */
import { CacheError } from "../../../src/common/errors.ts";
import type { Settle } from "../../../src/store/api/backend.ts";
import type { Stamp } from "../../../src/store/api/store.ts";
import type { TierStore } from "../../../src/tier/tier-store.ts";

export interface AnswerListener {
  /** Gets the revisions of mutations that were answered. */
  acknowledged(stamps: readonly Stamp[]): void;
  /** An engine without memory takes every invalidation. */
  invalidationRefused(error: CacheError): void;
  /** Somebody asks for the entry. What is returned gets the revision that the answer is as of. */
  asks(key: string): (asOf: Stamp) => void;
}

export function watchAnswers(store: TierStore, listener: AnswerListener): TierStore {
  const told =
    <Result extends object>(settle: Settle<Result>, stampsOf: (result: Result) => readonly Stamp[]) =>
    (result: Result | Error): void => {
      if (!(result instanceof Error)) listener.acknowledged(stampsOf(result));
      settle(result);
    };
  const watched: Pick<TierStore, "get" | "set" | "touch" | "increment" | "invalidate"> = {
    get(command, settle, traceparent) {
      const read = listener.asks(command.key);
      const answered: typeof settle = (result) => {
        if (!(result instanceof Error)) read(result.asOf);
        settle(result);
      };
      return store.get(command, answered, traceparent);
    },
    set: (command, settle) =>
      store.set(
        command,
        told(settle, ({ kind, asOf }) => (kind === "stored" ? [asOf] : [])),
      ),
    touch: (command, settle) =>
      store.touch(
        command,
        told(settle, ({ touched, asOf }) => (touched ? [asOf] : [])),
      ),
    increment: (command, settle) =>
      store.increment(
        command,
        told(settle, ({ kind, asOf }) => (kind === "incremented" ? [asOf] : [])),
      ),
    invalidate(command, settle) {
      const { epoch } = store;
      // Of a shard that has begun again the stamp may be of another server's mutation.
      const answered = told(settle, ({ stamps }) => (store.epoch === epoch ? stamps : []));
      return store.invalidate(command, (result) => {
        if (result instanceof CacheError && result.reason === "LIMIT_EXCEEDED")
          listener.invalidationRefused(result);
        answered(result);
      });
    },
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in watched) return Reflect.get(watched, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
