/** Who wants which events: near caches and subscribers, and the selectors that satisfy them all. */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { limitExceeded } from "../../common/errors.ts";

/** What the server takes in one subscription. */
const MAX_SELECTORS = 64;
const MAX_PREFIXES = 64;

export interface LocalSubscription {
  readonly namespace: string;
  /** None: the whole namespace. */
  readonly prefixes: readonly string[];
  /** A subscription that covers it is live. Again after each reconnect. */
  live(): void;
  /** No subscription covers it any more, until `live` is called again. */
  lost(): void;
}

export class SubscriptionSet {
  readonly #interests = new Set<LocalSubscription>();

  get empty(): boolean {
    return this.#interests.size === 0;
  }

  /** Throws LIMIT_EXCEEDED for more namespaces than one subscription may have. */
  add(interest: LocalSubscription): void {
    this.#interests.add(interest);
    if (new Set(this.all().map((one) => one.namespace)).size <= MAX_SELECTORS) return;
    this.#interests.delete(interest);
    throw limitExceeded("namespaces with a near cache or a subscriber", String(MAX_SELECTORS));
  }

  delete(interest: LocalSubscription): boolean {
    return this.#interests.delete(interest);
  }

  all(): LocalSubscription[] {
    return [...this.#interests];
  }

  /** One selector for each namespace. More prefixes than one subscription may have become whole namespaces. */
  selectors(): Selector[] {
    const prefixes = new Map<string, Set<string>>();
    const whole = new Set<string>();
    for (const interest of this.#interests) {
      if (interest.prefixes.length === 0) whole.add(interest.namespace);
      const known = prefixes.get(interest.namespace) ?? new Set();
      for (const prefix of interest.prefixes) known.add(prefix);
      prefixes.set(interest.namespace, known);
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
