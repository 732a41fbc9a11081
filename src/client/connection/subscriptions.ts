/** Who wants events of this connection, and the subscriptions that its streams are given for them. */
import { SELECTORS_MAX, type ServerLimits } from "../api/server-limits.ts";
import { areSameSelectors, type Interest, Interests } from "../coherence/subscription-set.ts";
import type { ExchangeStream } from "./exchange-stream.ts";

export class Subscriptions {
  readonly #interests = new Interests();
  /** The streams are not subscribed to what there is now. */
  #changed = false;

  get changed(): boolean {
    return this.#changed;
  }

  /** Throws LIMIT_EXCEEDED for more namespaces than the server takes. `limits`: undefined before the first greeting. */
  add(interest: Interest, limits: ServerLimits | undefined): void {
    this.#interests.add(interest, limits?.subscriptionMaxSelectors ?? SELECTORS_MAX);
    this.#changed = true;
  }

  /** False: it was not added. */
  delete(interest: Interest): boolean {
    if (!this.#interests.delete(interest)) return false;
    this.#changed = true;
    return true;
  }

  /** A stream is being opened: it is subscribed to what there is, if there is something. */
  begin(candidate: ExchangeStream): void {
    if (!this.#interests.empty) this.subscribe(candidate, false);
  }

  /** Subscribes a stream to as much as its server takes. */
  subscribe(stream: ExchangeStream, isPrimary: boolean): void {
    this.#changed = false;
    const plan = this.#interests.plan(stream.limits, stream.cursorBytes);
    stream.subscribe(plan);
    // Until it is the primary, the events of a candidate do not count.
    if (!isPrimary) return;
    for (const { interest, error } of plan.leftOut) {
      interest.lost();
      interest.refused(error);
    }
  }

  /** A stream became the primary: tells everybody whether its subscription covers them. */
  promoted(stream: ExchangeStream): void {
    for (const interest of this.#interests.all()) {
      if (stream.live.includes(interest)) interest.live();
      else interest.lost();
    }
    const { selectors, leftOut } = this.#interests.plan(stream.limits, 0);
    // It was subscribed before its server had said its limits.
    if (!areSameSelectors(selectors, stream.selectors)) this.#changed = true;
    for (const { interest, error } of leftOut) interest.refused(error);
  }

  /** There is no primary stream any more. */
  lost(): void {
    for (const interest of this.#interests.all()) interest.lost();
  }
}
