/** A store of the tier whose answers to mutations are told to a judge. */
import type { Settle } from "../../../src/store/api/backend.ts";
import type { Stamp } from "../../../src/store/api/store.ts";
import type { TierStore } from "../../../src/tier/tier-store.ts";

/** `acknowledged`: gets the revisions of what was answered. */
export function watchAnswers(store: TierStore, acknowledged: (stamps: readonly Stamp[]) => void): TierStore {
  const told =
    <Result extends object>(settle: Settle<Result>, stampsOf: (result: Result) => readonly Stamp[]) =>
    (result: Result | Error): void => {
      if (!(result instanceof Error)) acknowledged(stampsOf(result));
      settle(result);
    };
  const mutations: Pick<TierStore, "set" | "touch" | "increment" | "invalidate"> = {
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
    invalidate: (command, settle) =>
      store.invalidate(
        command,
        told(settle, ({ stamps }) => stamps),
      ),
  };
  return new Proxy(store, {
    get(target, name) {
      if (name in mutations) return Reflect.get(mutations, name);
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
