/** Who wants events of this connection, and the subscriptions that its streams are given for them. */
import { CacheError } from "../../common/errors.ts";
import type { ReportEvent } from "../api/client-events.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { type Cover, NO_COVER } from "../coherence/selector-cover.ts";
import {
  areSameSelectors,
  type LocalSubscription,
  type SubscriptionPlan,
  SubscriptionSet,
} from "../coherence/subscription-set.ts";
import type { ExchangeStream } from "./exchange-stream.ts";

export class Subscriptions {
  readonly #subscriptions = new SubscriptionSet();
  readonly #announce: (cover: Cover) => void;
  readonly #report: ReportEvent;
  /** The namespaces whose events the server denies, as it said last. */
  #denied: ReadonlySet<string> = new Set();
  /** Those that the server takes no selector for. They were told. */
  #leftOut: ReadonlySet<LocalSubscription> = new Set();
  /** The streams are not subscribed to what there is now. */
  #changed = false;

  /**
   * `announce`: told what the primary stream covers, whenever that changes. `report`: told of near caches that get no events,
   * when that begins.
   */
  constructor(announce: (cover: Cover) => void, report: ReportEvent) {
    this.#announce = announce;
    this.#report = report;
  }

  get changed(): boolean {
    return this.#changed;
  }

  /**
   * `streams`: those there are, the primary first. `limits`: undefined before the first Opened. Throws LIMIT_EXCEEDED for a
   * subscriber of more namespaces than the server takes.
   */
  add(
    subscription: LocalSubscription,
    limits: ServerLimits | undefined,
    primary: ExchangeStream | undefined,
    candidate: ExchangeStream | undefined,
  ): void {
    this.#subscriptions.add(subscription, limits);
    const isAsked = [primary, candidate].every((stream) => stream?.asked.covers(subscription) !== false);
    if (!isAsked) this.#changed = true;
    else if (primary?.cover.covers(subscription)) subscription.live?.();
    else if (primary !== undefined && this.#denied.has(subscription.namespace)) this.#refuse(subscription);
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

  /** Subscribes a stream to as much as its server takes, unless that is what it was subscribed to last. */
  subscribe(stream: ExchangeStream, isPrimary: boolean): void {
    this.#changed = false;
    const plan = this.#subscriptions.plan(stream.limits, stream.cursorBytes);
    if (stream.hasPlan(plan)) return;
    stream.subscribe(plan);
    // Until it is the primary, the events of a candidate do not count.
    if (!isPrimary) return;
    this.#announce(stream.cover);
    this.#leaveOut(plan);
  }

  /** The primary answered a subscription. */
  answered(stream: ExchangeStream): void {
    this.#announce(stream.cover);
    this.#refuseDenied(stream);
    for (const subscription of this.#subscriptions.told) {
      if (stream.live.covers(subscription)) subscription.live?.();
    }
  }

  /** A stream became the primary: tells everybody whom its subscription does not cover, or not from its beginning on. */
  promoted(stream: ExchangeStream): void {
    this.#announce(stream.cover);
    const plan = this.#subscriptions.plan(stream.limits, 0);
    if (stream.firstPlan !== plan || plan.leftOut.length > 0) this.#uncover(stream);
    this.#refuseDenied(stream);
    for (const subscription of this.#subscriptions.told) {
      if (stream.live.covers(subscription)) subscription.live?.();
      else subscription.lost?.();
    }
    // It was subscribed before its server had said its limits.
    if (!areSameSelectors(plan.selectors, stream.selectors)) this.#changed = true;
    this.#leaveOut(plan);
  }

  /** There is no primary stream any more. */
  lost(): void {
    this.#announce(NO_COVER);
    for (const subscription of this.#subscriptions.told) subscription.lost?.();
  }

  /** Those whose events the server denies keep nothing and are told why; the others go on. */
  #refuseDenied({ denied }: ExchangeStream): void {
    const former = this.#denied;
    this.#denied = denied;
    if (denied.size === 0) return;
    const concerned = [...this.#subscriptions.all()].filter(({ namespace }) => denied.has(namespace));
    for (const subscription of concerned) {
      if (former.has(subscription.namespace)) continue;
      subscription.uncovered();
      const { namespace } = subscription;
      if (isNearCache(subscription)) this.#report({ kind: "nearCacheDenied", namespace });
    }
    for (const subscription of concerned) this.#refuse(subscription);
  }

  /** Those that are left out from now on keep nothing and are told why: there may be very many that know it already. */
  #leaveOut({ leftOut }: SubscriptionPlan): void {
    const former = this.#leftOut;
    this.#leftOut = new Set(leftOut.map(({ subscription }) => subscription));
    const concerned = leftOut.filter(({ subscription }) => !former.has(subscription));
    for (const { subscription, error } of concerned) {
      subscription.uncovered();
      subscription.refused(error);
    }
    const off = concerned.filter(({ subscription }) => isNearCache(subscription));
    const [first] = off;
    if (first !== undefined)
      this.#report({ kind: "nearCachesLeftOut", nearCaches: off.length, cause: first.error.message });
  }

  #refuse(subscription: LocalSubscription): void {
    const message = `the server does not permit the events of namespace ${subscription.namespace}`;
    subscription.refused(new CacheError("PERMISSION_DENIED", message, { permission: "subscribe" }));
  }

  /**
   * Only the first subscription of a stream resumes where the last stream ended. The events before any later one are
   * missing, for those that the first one did not cover.
   */
  #uncover(stream: ExchangeStream): void {
    const first = stream.firstCover;
    for (const subscription of this.#subscriptions.all()) {
      if (!first.covers(subscription)) subscription.uncovered();
    }
  }
}

/** Others are told of each subscription that covers them. */
const isNearCache = ({ live }: LocalSubscription): boolean => live === undefined;
