/**
 * One key of the cache as a sequential object: the specification for the answers of the server. It is written from
 * cache.proto alone, independently of the store.
 */
import type { Model } from "./linearizability.ts";

/** The time of an operation: it took effect at some instant between these two, both included. */
interface Span {
  readonly id: number;
  readonly callMs: number;
  readonly returnMs: number;
}

interface Lifetimes {
  /** 0: no TTL. */
  readonly ttlMs: number;
  readonly staleMs: number;
}

export type SetCondition =
  | { readonly kind: "always" }
  | { readonly kind: "ifAbsent" }
  | { readonly kind: "ifPresent" }
  /** The entry must still be the one that the Set `id` stored. */
  | { readonly kind: "ifVersion"; readonly setId: number }
  /** Leases are checked elsewhere, so that here such a Set may always be refused. */
  | { readonly kind: "lease" };

export type SetAnswer =
  | "stored"
  | "exists"
  | "absent"
  | "versionMismatch"
  | "leaseLost"
  | "olderSourceVersion";

export type RegisterInput = Span &
  (
    | (Lifetimes & {
        readonly kind: "set";
        readonly condition: SetCondition;
        readonly sourceVersion: number;
        readonly tags: readonly string[];
        /** Undefined: it is unknown whether the operation took effect. */
        readonly answer: SetAnswer | undefined;
      })
    /** `setId` is the Set whose value was read, or the value of a counter. Undefined: a miss. */
    | { readonly kind: "get"; readonly setId: number | undefined; readonly stale: boolean }
    | (Lifetimes & {
        readonly kind: "increment";
        readonly delta: number;
        readonly initial: number;
        /** The counter. Undefined: it is unknown whether it has added. */
        readonly answer: number | undefined;
      })
    | (Lifetimes & { readonly kind: "touch"; readonly touched: boolean | undefined })
    | {
        readonly kind: "invalidate";
        readonly target:
          | { readonly kind: "key" }
          | { readonly kind: "tags"; readonly tags: readonly string[] };
        readonly soft: boolean;
        readonly sourceVersion: number;
        readonly answered: boolean;
      }
    /** A new life of the store. `mayKnowSources`: it may know the source versions of the life before. */
    | { readonly kind: "restart"; readonly mayKnowSources: boolean }
  );

type SetInput = Extract<RegisterInput, { kind: "set" }>;
type IncrementInput = Extract<RegisterInput, { kind: "increment" }>;
type TouchInput = Extract<RegisterInput, { kind: "touch" }>;

export interface RegisterState {
  /** `id`: of its Set, or the value of a counter. */
  readonly entry: Pick<SetInput, "id" | "sourceVersion" | "tags"> | undefined;
  /** The operation that gave the entry its TTL. */
  readonly lifetimes: SetInput | IncrementInput | TouchInput | undefined;
  readonly soft: boolean;
  readonly knownSourceVersion: number;
}

const empty: RegisterState = {
  entry: undefined,
  lifetimes: undefined,
  soft: false,
  knownSourceVersion: 0,
};

/** Whether the TTL may have ended during `span`, and whether it may still have run. Both can be true. */
function mayBePastTtl(state: RegisterState, span: Span): boolean {
  const { lifetimes } = state;
  return (
    lifetimes !== undefined && lifetimes.ttlMs > 0 && span.returnMs >= lifetimes.callMs + lifetimes.ttlMs
  );
}
function mayBeWithinTtl(state: RegisterState, span: Span): boolean {
  const { lifetimes } = state;
  if (lifetimes === undefined) return false;
  return lifetimes.ttlMs === 0 || span.callMs < lifetimes.returnMs + lifetimes.ttlMs;
}
function mayBeGone(state: RegisterState, span: Span): boolean {
  const { lifetimes } = state;
  if (lifetimes === undefined) return true;
  return lifetimes.ttlMs > 0 && span.returnMs >= lifetimes.callMs + lifetimes.ttlMs + lifetimes.staleMs;
}
function mayBeKept(state: RegisterState, span: Span): boolean {
  const { lifetimes } = state;
  if (lifetimes === undefined) return false;
  return lifetimes.ttlMs === 0 || span.callMs < lifetimes.returnMs + lifetimes.ttlMs + lifetimes.staleMs;
}

const mayHit = (state: RegisterState, span: Span): boolean =>
  state.entry !== undefined && !state.soft && mayBeWithinTtl(state, span);
const mayMiss = (state: RegisterState, span: Span): boolean =>
  state.entry === undefined || state.soft || mayBePastTtl(state, span);

function stored(state: RegisterState, input: SetInput): RegisterState {
  return {
    entry: input,
    lifetimes: input,
    soft: false,
    knownSourceVersion: Math.max(state.knownSourceVersion, input.sourceVersion),
  };
}

function conditionMayHold(state: RegisterState, input: SetInput): boolean {
  switch (input.condition.kind) {
    case "always":
    case "lease":
      return true;
    case "ifAbsent":
      return mayMiss(state, input);
    case "ifPresent":
      return mayHit(state, input);
    case "ifVersion":
      return state.entry?.id === input.condition.setId && !state.soft && mayBeKept(state, input);
    default:
      return input.condition satisfies never;
  }
}

function mayRefuse(state: RegisterState, input: SetInput, answer: SetAnswer): boolean {
  switch (answer) {
    case "stored":
      return false;
    case "exists":
      return input.condition.kind === "ifAbsent" && mayHit(state, input);
    case "absent":
      return input.condition.kind === "ifPresent" && mayMiss(state, input);
    case "versionMismatch":
      return (
        input.condition.kind === "ifVersion" &&
        (state.entry?.id !== input.condition.setId || state.soft || mayBeGone(state, input))
      );
    case "leaseLost":
      return input.condition.kind === "lease";
    case "olderSourceVersion":
      return input.sourceVersion > 0 && input.sourceVersion < state.knownSourceVersion;
    default:
      return answer satisfies never;
  }
}

function afterSet(state: RegisterState, input: SetInput): RegisterState[] {
  const mayStore =
    conditionMayHold(state, input) &&
    (input.sourceVersion === 0 || input.sourceVersion >= state.knownSourceVersion);
  if (input.answer === "stored") return mayStore ? [stored(state, input)] : [];
  if (input.answer === undefined) return mayStore ? [stored(state, input), state] : [state];
  return mayRefuse(state, input, input.answer) ? [state] : [];
}

/** One effect, whatever was sent again: on the counter that may be there, or on none. */
function afterIncrement(state: RegisterState, input: IncrementInput): RegisterState[] {
  const { delta, initial, answer } = input;
  const counter = (id: number) => ({ id, sourceVersion: 0, tags: [] });
  const added: RegisterState[] = [];
  if (state.entry !== undefined && mayHit(state, input)) {
    added.push({ ...state, entry: counter(state.entry.id + delta) });
  }
  if (mayMiss(state, input)) {
    added.push({ ...state, entry: counter(initial + delta), lifetimes: input, soft: false });
  }
  return answer === undefined ? [...added, state] : added.filter(({ entry }) => entry?.id === answer);
}

function afterInvalidate(
  state: RegisterState,
  input: Extract<RegisterInput, { kind: "invalidate" }>,
): RegisterState[] {
  const known: RegisterState = {
    ...state,
    knownSourceVersion: Math.max(state.knownSourceVersion, input.sourceVersion),
  };
  const { entry } = state;
  const { target } = input;
  const matches =
    entry !== undefined &&
    (target.kind === "key" || target.tags.some((tag) => entry.tags.includes(tag))) &&
    (input.sourceVersion === 0 || entry.sourceVersion < input.sourceVersion);
  const after: RegisterState = !matches
    ? known
    : input.soft
      ? { ...known, soft: true }
      : { ...empty, knownSourceVersion: known.knownSourceVersion };
  return input.answered ? [after] : [after, state];
}

export const registerModel: Model<RegisterInput, RegisterState> = {
  initial: empty,
  step(state, input) {
    switch (input.kind) {
      case "set":
        return afterSet(state, input);
      case "increment":
        return afterIncrement(state, input);
      case "get":
        if (input.setId === undefined) return mayMiss(state, input) ? [state] : [];
        if (state.entry?.id !== input.setId) return [];
        return (input.stale ? mayMiss(state, input) && mayBeKept(state, input) : mayHit(state, input))
          ? [state]
          : [];
      case "touch": {
        const touched: RegisterState = { ...state, lifetimes: input };
        if (input.touched === true) return mayHit(state, input) ? [touched] : [];
        if (input.touched === false) return mayMiss(state, input) ? [state] : [];
        return mayHit(state, input) ? [touched, state] : [state];
      }
      case "invalidate":
        return afterInvalidate(state, input);
      case "restart":
        if (!input.mayKnowSources) return [empty];
        return [empty, { ...empty, knownSourceVersion: state.knownSourceVersion }];
      default:
        return input satisfies never;
    }
  },
  keyOf: (state) =>
    `${state.entry?.id ?? "-"}/${state.lifetimes?.id ?? "-"}/${state.soft}/${state.knownSourceVersion}`,
};
