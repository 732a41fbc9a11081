/**
 * Decides whether a history of operations on one object is linearizable. Uses the search of Wing and Gong with the
 * memoisation of Lowe ("Testing for linearizability", 2017), as Porcupine does.
 */

export interface Operation<Input> {
  readonly input: Input;
  /** Positions in a total order of all calls and returns. Each position is used once. */
  readonly callOrder: number;
  readonly returnOrder: number;
}

export interface Model<Input, State> {
  readonly initial: State;
  /** The possible states after `input` with the result that it had. Empty: the result is impossible in this state. */
  step(state: State, input: Input): readonly State[];
  /** Different states have different keys. */
  keyOf(state: State): string;
}

export type Verdict<Input> =
  | { readonly kind: "linearizable" }
  /** No order explains the history. `stuckAt` is the operation at which the longest attempt ended. */
  | { readonly kind: "violation"; readonly stuckAt: Operation<Input>; readonly explained: number }
  /** The search ended after `steps` without a result. */
  | { readonly kind: "undecided"; readonly steps: number };

export function checkLinearizable<Input, State>(
  operations: readonly Operation<Input>[],
  model: Model<Input, State>,
  maxSteps = 2_000_000,
): Verdict<Input> {
  const sorted = [...operations].sort((a, b) => a.callOrder - b.callOrder);
  const visited = new Set<string>();
  const done = new Uint8Array(sorted.length);
  let steps = 0;
  let best = -1;
  let stuckAt: Operation<Input> | undefined;

  interface Choice {
    /** The operations that may come next, and the states that each leads to. */
    readonly options: { readonly index: number; readonly state: State }[];
    next: number;
    taken: number;
  }

  /** The position of the first operation that is not placed yet. All earlier ones are placed. */
  let firstOpen = 0;

  function optionsAfter(state: State): Choice["options"] {
    // Only operations that were called before the earliest pending return may come next.
    let earliestReturn = Number.POSITIVE_INFINITY;
    const candidates: number[] = [];
    for (let index = firstOpen; index < sorted.length; index += 1) {
      const operation = sorted[index];
      if (operation === undefined || operation.callOrder > earliestReturn) break;
      if (done[index] === 1) continue;
      candidates.push(index);
      earliestReturn = Math.min(earliestReturn, operation.returnOrder);
    }
    const options: Choice["options"] = [];
    for (const index of candidates) {
      const operation = sorted[index];
      if (operation === undefined || operation.callOrder > earliestReturn) continue;
      steps += 1;
      for (const next of model.step(state, operation.input)) options.push({ index, state: next });
    }
    return options;
  }

  const setKey = (): string => {
    let key = `${firstOpen}`;
    for (let index = firstOpen; index < sorted.length; index += 1) {
      if (done[index] === 1) key += `,${index}`;
      const operation = sorted[index];
      const open = sorted[firstOpen];
      if (operation !== undefined && open !== undefined && operation.callOrder > open.returnOrder) break;
    }
    return key;
  };

  const advance = (): void => {
    while (firstOpen < sorted.length && done[firstOpen] === 1) firstOpen += 1;
  };

  const path: Choice[] = [{ options: optionsAfter(model.initial), next: 0, taken: -1 }];
  let doneCount = 0;
  while (path.length > 0) {
    if (doneCount === sorted.length) return { kind: "linearizable" };
    if (steps > maxSteps) return { kind: "undecided", steps };
    const choice = path[path.length - 1];
    if (choice === undefined) break;
    if (choice.taken >= 0) {
      done[choice.taken] = 0;
      firstOpen = Math.min(firstOpen, choice.taken);
      doneCount -= 1;
      choice.taken = -1;
    }
    const option = choice.options[choice.next];
    if (option === undefined) {
      path.pop();
      continue;
    }
    choice.next += 1;
    choice.taken = option.index;
    done[option.index] = 1;
    doneCount += 1;
    advance();
    if (doneCount > best) {
      best = doneCount;
      stuckAt = sorted[firstOpen];
    }
    const seen = `${setKey()}|${model.keyOf(option.state)}`;
    if (visited.has(seen)) continue;
    visited.add(seen);
    path.push({ options: optionsAfter(option.state), next: 0, taken: -1 });
  }
  const first = sorted[0];
  if (first === undefined) return { kind: "linearizable" };
  return { kind: "violation", stuckAt: stuckAt ?? first, explained: Math.max(best, 0) };
}
