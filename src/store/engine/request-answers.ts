/** How the answers to Sets and Increments are kept under their request ids. */
import { INCREMENT_REASONS, SET_REASONS } from "../api/refusals.ts";
import type { IncrementResult, SetResult, Stamp } from "../api/store.ts";

/** An answer but for its stamp. */
export interface KeptAnswer {
  /** 0: it took effect. Otherwise why it did not. */
  readonly outcome: number;
  readonly version: number;
  readonly value: bigint;
  /** When the TTL ends, as an entry has it; 0 where nothing asks for it. */
  readonly freshUntilMs: number;
}

/** The operations of one kind, whose ids are never taken for those of another. */
export interface AnswerKind<Result extends { readonly asOf: Stamp }> {
  /** 32 bits, other than those of other kinds. */
  readonly mark: number;
  keep(result: Result, nowMs: number): KeptAnswer;
  again(kept: KeptAnswer, asOf: Stamp, nowMs: number): Result;
}

/** An Increment that began a counter. */
const CREATED = 100;

export const SET_ANSWERS: AnswerKind<SetResult> = {
  mark: 0,
  keep(result) {
    return result.kind === "stored"
      ? { outcome: 0, version: result.version, value: 0n, freshUntilMs: 0 }
      : refusal(SET_REASONS.indexOf(result.reason));
  },
  again({ outcome, version }, asOf) {
    const reason = SET_REASONS[outcome - 1];
    return reason === undefined ? { kind: "stored", asOf, version } : { kind: "notStored", asOf, reason };
  },
};

export const INCREMENT_ANSWERS: AnswerKind<IncrementResult> = {
  mark: 1,
  keep(result, nowMs) {
    if (result.kind === "notIncremented") return refusal(INCREMENT_REASONS.indexOf(result.reason));
    const { version, value, ttlRemainingMs, created } = result;
    const freshUntilMs = ttlRemainingMs === 0 ? Infinity : nowMs + ttlRemainingMs;
    return { outcome: created ? CREATED : 0, version, value, freshUntilMs };
  },
  again({ outcome, version, value, freshUntilMs }, asOf, nowMs) {
    const reason = INCREMENT_REASONS[outcome - 1];
    if (reason !== undefined) return { kind: "notIncremented", asOf, reason };
    // Counted from this answer. What has ended meanwhile must not read as what never ends.
    const ttlRemainingMs = freshUntilMs === Infinity ? 0 : Math.max(1, freshUntilMs - nowMs);
    return { kind: "incremented", asOf, value, version, ttlRemainingMs, created: outcome === CREATED };
  },
};

function refusal(index: number): KeptAnswer {
  return { outcome: index + 1, version: 0, value: 0n, freshUntilMs: 0 };
}
