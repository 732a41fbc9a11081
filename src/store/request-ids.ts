/** Remembers the answers to recent Sets by their request ids, so that a retry is answered as the first was. */
import { toEntryId } from "./entry-id.ts";
import type { SetResult } from "./store.ts";

export const requestIdMs = 60_000;

interface Answer {
  readonly result: SetResult;
  readonly untilMs: number;
}

export class RequestIds {
  readonly #maxCount: number;
  /** Oldest first, so that expiry and the bound both take from the front. */
  readonly #answers = new Map<string, Answer>();

  constructor(maxCount: number) {
    this.#maxCount = maxCount;
  }

  get count(): number {
    return this.#answers.size;
  }

  answer(namespace: string, key: string, requestId: bigint, nowMs: number): SetResult | undefined {
    const answer = this.#answers.get(toRequestKey(namespace, key, requestId));
    return answer !== undefined && nowMs < answer.untilMs ? answer.result : undefined;
  }

  remember(namespace: string, key: string, requestId: bigint, result: SetResult, nowMs: number): void {
    const requestKey = toRequestKey(namespace, key, requestId);
    this.#answers.delete(requestKey);
    this.#answers.set(requestKey, { result, untilMs: nowMs + requestIdMs });
    for (const [oldest, answer] of this.#answers) {
      if (this.#answers.size <= this.#maxCount && nowMs < answer.untilMs) return;
      this.#answers.delete(oldest);
    }
  }
}

function toRequestKey(namespace: string, key: string, requestId: bigint): string {
  return `${requestId}:${toEntryId(namespace, key)}`;
}
