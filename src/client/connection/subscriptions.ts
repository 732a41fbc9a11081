/** Who wants events of this connection, and the subscriptions that its streams are given for them. */
import { SELECTORS_MAX, type ServerLimits } from "../api/server-limits.ts";
import { areSameSelectors, type LocalSubscription, SubscriptionSet } from "../coherence/subscription-set.ts";
import type { ExchangeStream } from "./exchange-stream.ts";

export class Subscriptions {
  readonly #subscriptions = new SubscriptionSet();
  /** The streams are not subscribed to what there is now. */
  #changed = false;

  get changed(): boolean {
    return this.#changed;
  }

  /** Throws LIMIT_EXCEEDED for more namespaces than the server takes. `limits`: undefined before the first Opened. */
  add(subscription: LocalSubscription, limits: ServerLimits | undefined): void {
    this.#subscriptions.add(subscription, limits?.subscriptionMaxSelectors ?? SELECTORS_MAX);
    this.#changed = true;
  }

  /** False: it was not added. */
  delete(subscription: LocalSubscription): boolean {
    if (!this.#subscriptions.delete(subscription)) return false;
    this.#changed = true;
    return true;
  }

  /** A stream is being opened: it is subscribed to what there is, if there is something. */
  begin(candidate: ExchangeStream): void {
    if (!this.#subscriptions.empty) this.subscribe(candidate, false);
  }

  /** Subscribes a stream to as much as its server takes. */
  subscribe(stream: ExchangeStream, isPrimary: boolean): void {
    this.#changed = false;
    const plan = this.#subscriptions.plan(stream.limits, stream.cursorBytes);
    stream.subscribe(plan);
    // Until it is the primary, the events of a candidate do not count.
    if (!isPrimary) return;
    for (const { subscription, error } of plan.leftOut) {
      subscription.lost();
      subscription.refused(error);
    }
  }

  /** A stream became the primary: tells everybody whether its subscription covers them. */
  promoted(stream: ExchangeStream): void {
    for (const subscription of this.#subscriptions.all()) {
      if (stream.live.includes(subscription)) subscription.live();
      else subscription.lost();
    }
    const { selectors, leftOut } = this.#subscriptions.plan(stream.limits, 0);
    // It was subscribed before its server had said its limits.
    if (!areSameSelectors(selectors, stream.selectors)) this.#changed = true;
    for (const { subscription, error } of leftOut) subscription.refused(error);
  }

  /** There is no primary stream any more. */
  lost(): void {
    for (const subscription of this.#subscriptions.all()) subscription.lost();
  }
}
