/** Checks the history of each key: whether some order of the operations explains the answers of the server. */
import type { History, Moment } from "./history.ts";
import { checkLinearizable, type Operation } from "./linearizability.ts";
import type { ClientOperation } from "./operations.ts";
import { type RegisterInput, registerModel, type SetCondition } from "./register.ts";
import type { SetCall, StoreCalls } from "./tapped-store.ts";
import { matchesKey, type Truth } from "./truth.ts";
import type { Observed } from "./witness.ts";

export interface RegisterCheck {
  readonly operations: number;
  readonly undecided: number;
}

type Timed = Operation<RegisterInput>;

/**
 * An operation that failed may have taken effect, but only at a moment when the store was asked for it. For such an
 * operation the tap knows the last of these moments, which keeps the search small. `mayKnowSources`: source versions may outlive a restart.
 */
export function checkRegisters(
  history: History,
  truth: Truth,
  operations: readonly ClientOperation[],
  calls: StoreCalls,
  restarts: readonly Moment[],
  mayKnowSources: boolean,
): RegisterCheck {
  let undecided = 0;
  let checked = 0;
  const never: Moment = { order: Number.MAX_SAFE_INTEGER, atMs: Number.MAX_SAFE_INTEGER };
  const ids = createIds();

  for (const key of truth.keys) {
    const timed: Timed[] = [];
    const add = (from: Moment, to: Moment, input: (span: Span) => RegisterInput): void => {
      const id = timed.length;
      const span = { id, callMs: from.atMs, returnMs: to.atMs };
      timed.push({ input: input(span), callOrder: from.order, returnOrder: to.order });
    };
    const point = (moment: Moment, input: (span: Span) => RegisterInput): void => add(moment, moment, input);

    const asked = new Set<SetCall>();
    for (const operation of operations) {
      if (operation.kind === "invalidate") continue;
      if (operation.key !== key) continue;
      addClientOperation(operation, add, asked);
    }
    for (const operation of operations) {
      if (operation.kind !== "invalidate" || !operation.answered || operation.returned === undefined)
        continue;
      const { soft, sourceVersion, tags } = operation;
      if (!operation.keys.includes(key) && tags.length === 0) continue;
      const target = operation.keys.includes(key)
        ? ({ kind: "key" } as const)
        : ({ kind: "tags", tags } as const);
      add(operation.call, operation.returned, (span) => ({
        ...span,
        kind: "invalidate",
        target,
        soft,
        sourceVersion,
        answered: true,
      }));
    }
    // The store was also asked for operations that were not answered: late retries, and writes that failed.
    for (const one of truth.invalidations) {
      const byTags = one.target.kind === "tags" ? one.target.tags : undefined;
      if (byTags === undefined && !matchesKey(one.target, key, [])) continue;
      point(one.moment, (span) => ({
        ...span,
        kind: "invalidate",
        target: byTags === undefined ? { kind: "key" } : { kind: "tags", tags: byTags },
        soft: one.soft,
        sourceVersion: Number(one.sourceVersion),
        answered: false,
      }));
    }
    for (const touch of calls.touches) {
      if (touch.key !== key) continue;
      const { ttlMs, staleMs, moment } = touch;
      point(moment, (span) => ({ ...span, kind: "touch", ttlMs, staleMs, touched: undefined }));
    }
    for (const call of [...calls.sets.values(), ...calls.absences]) {
      if (call.key !== key || asked.has(call)) continue;
      // The Set of a load: its lease is checked where the Set is stored.
      const moment = call.stored?.moment;
      if (moment !== undefined) point(moment, (span) => setInput(span, call, "stored", { kind: "lease" }));
    }
    for (const moment of restarts) point(moment, (span) => ({ ...span, kind: "restart", mayKnowSources }));

    checked += timed.length;
    const verdict = checkLinearizable(timed, registerModel);
    if (verdict.kind === "undecided") undecided += 1;
    if (verdict.kind === "violation") {
      const { input, callOrder } = verdict.stuckAt;
      history.violate(
        "linearizability",
        `no order of operations explains ${key}: stuck at ${JSON.stringify(input)} of #${callOrder}`,
      );
    }
  }
  return { operations: checked, undecided };

  function addClientOperation(
    operation: Exclude<ClientOperation, { kind: "invalidate" }>,
    add: (from: Moment, to: Moment, input: (span: Span) => RegisterInput) => void,
    asked: Set<SetCall>,
  ): void {
    const { call, returned } = operation;
    switch (operation.kind) {
      case "get": {
        const { observed } = operation;
        if (!operation.remote || observed === undefined || returned === undefined) return;
        add(call, returned, (span) => ({
          ...span,
          kind: "get",
          setId: ids.ofObserved(observed),
          stale: observed.kind !== "miss" && observed.stale,
        }));
        return;
      }
      case "set": {
        const stored = calls.sets.get(operation.value);
        if (stored === undefined) {
          if (operation.answer !== undefined) {
            history.violate("answer-without-call", `the store was never asked for ${operation.value}`);
          }
          return;
        }
        asked.add(stored);
        const last = stored.asked.at(-1) ?? never;
        const end = operation.answer === undefined || returned === undefined ? last : returned;
        const { condition } = operation;
        const modelled: SetCondition =
          typeof condition === "string"
            ? { kind: condition }
            : { kind: "ifVersion", setId: ids.ofObserved(condition.observed) ?? -1 };
        add(call, end, (span) => setInput(span, stored, operation.answer, modelled));
        return;
      }
      case "increment": {
        const { delta, initial, answer } = operation;
        const asked = calls.increments.get(initial);
        if (asked === undefined) {
          if (answer !== undefined) {
            history.violate("answer-without-call", `the store was never asked to add to ${operation.key}`);
          }
          return;
        }
        const { ttlMs, staleMs } = asked.command;
        const last = asked.asked.at(-1) ?? never;
        const end = answer === undefined || returned === undefined ? last : returned;
        add(call, end, (span) => ({
          ...span,
          kind: "increment",
          ttlMs,
          staleMs,
          delta: Number(delta),
          initial: Number(initial),
          answer: answer === undefined ? undefined : Number(answer),
        }));
        return;
      }
      case "touch": {
        const { touched, ttlMs, staleMs } = operation;
        if (touched === undefined || returned === undefined) return;
        add(call, returned, (span) => ({ ...span, kind: "touch", ttlMs, staleMs, touched }));
        return;
      }
      default:
        operation satisfies never;
    }
  }

  function setInput(
    span: Span,
    call: SetCall,
    answer: Extract<RegisterInput, { kind: "set" }>["answer"],
    condition: SetCondition,
  ): RegisterInput {
    const { ttlMs, staleMs, sourceVersion, tags } = call.command;
    return {
      ...span,
      id: ids.ofSet(call),
      kind: "set",
      ttlMs,
      staleMs,
      tags,
      sourceVersion: Number(sourceVersion),
      condition,
      answer,
    };
  }
}

interface Span {
  readonly id: number;
  readonly callMs: number;
  readonly returnMs: number;
}

/** Numbers each Set: by its value, or by its version when there is no value. A counter is its own number. */
function createIds() {
  const known = new Map<string, number>();
  const idOf = (name: string): number => {
    if (/^\d+$/.test(name)) return Number(name);
    const id = known.get(name) ?? -2 - known.size;
    known.set(name, id);
    return id;
  };
  return {
    ofSet: ({ command, stored, life }: SetCall): number =>
      idOf(
        command.absent
          ? `absent ${command.key} ${life} ${stored?.version}`
          : Buffer.from(command.value).toString("utf8"),
      ),
    ofObserved(observed: Observed): number | undefined {
      if (observed.kind === "miss") return undefined;
      return idOf(
        observed.kind === "value"
          ? observed.value
          : `absent ${observed.key} ${observed.life} ${observed.version}`,
      );
    },
  };
}
