/**
 * What the near caches and event subscriptions of this process want to receive, and the selectors that cover
 * it all.
 */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { limitExceeded } from "../../common/errors.ts";

/** The limits of the server for one subscription. */
const MAX_SELECTORS = 64;
const MAX_PREFIXES = 64;

/** The events that one near cache or event subscription wants. */
export interface LocalSubscription {
  readonly namespace: string;
  /** Empty: the whole namespace. */
  readonly prefixes: readonly string[];
  /** A subscription that covers it has become live. Called again after each reconnect. */
  live(): void;
  /** No subscription covers it, until `live` is called again. */
  lost(): void;
}

export class SubscriptionSet {
  readonly #subscriptions = new Set<LocalSubscription>();

  get empty(): boolean {
    return this.#subscriptions.size === 0;
  }

  /** Throws LIMIT_EXCEEDED for more namespaces than one subscription may have. */
  add(subscription: LocalSubscription): void {
    this.#subscriptions.add(subscription);
    if (new Set(this.all().map(({ namespace }) => namespace)).size <= MAX_SELECTORS) return;
    this.#subscriptions.delete(subscription);
    throw limitExceeded("namespaces with a near cache or a subscriber", String(MAX_SELECTORS));
  }

  delete(subscription: LocalSubscription): boolean {
    return this.#subscriptions.delete(subscription);
  }

  all(): LocalSubscription[] {
    return [...this.#subscriptions];
  }

  /** One selector for each namespace. It names the whole namespace when its prefixes exceed the limit of the server. */
  selectors(): Selector[] {
    const prefixes = new Map<string, Set<string>>();
    const whole = new Set<string>();
    for (const subscription of this.#subscriptions) {
      if (subscription.prefixes.length === 0) whole.add(subscription.namespace);
      const known = prefixes.get(subscription.namespace) ?? new Set();
      for (const prefix of subscription.prefixes) known.add(prefix);
      prefixes.set(subscription.namespace, known);
    }
    let room = MAX_PREFIXES;
    return [...prefixes].map(([namespace, wanted]) => {
      const fits = !whole.has(namespace) && wanted.size <= room;
      if (fits) room -= wanted.size;
      return {
        $typeName: "meshcache.v1.Selector",
        namespace,
        prefixes: fits ? [...wanted].sort() : [],
      };
    });
  }
}
