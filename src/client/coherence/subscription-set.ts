/** Who wants which events: near caches and subscribers, and the one subscription that satisfies them all. */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type CacheError, fieldInvalid, limitExceeded } from "../../common/errors.ts";

/** The events that one near cache or event subscription wants. */
export interface LocalSubscription {
  readonly namespace: string;
  /** Empty: the whole namespace. */
  readonly prefixes: readonly string[];
  /** A subscription that covers it has become live. Called again after each reconnect. */
  live(): void;
  /** No subscription covers it, until `live` is called again. */
  lost(): void;
  /** The server takes no subscription that covers it. */
  refused(error: CacheError): void;
}

/** What a server takes in one subscription. */
export interface SubscriptionLimits {
  readonly namespaceMaxBytes: number;
  readonly keyMaxBytes: number;
  readonly subscriptionMaxSelectors: number;
  readonly subscriptionMaxPrefixes: number;
  readonly receiveMaxBytes: number;
}

/** One subscription for as many subscriptions as the server takes. */
export interface SubscriptionPlan {
  readonly selectors: Selector[];
  readonly covered: readonly LocalSubscription[];
  readonly leftOut: readonly { readonly subscription: LocalSubscription; readonly error: CacheError }[];
  /** At most what the selectors take in a message. */
  readonly sizeBytes: number;
}

/** What a Subscription takes beside its selectors and its cursor, at most. */
const FRAME_OVERHEAD_BYTES = 64;
const SELECTOR_OVERHEAD_BYTES = 16;
/** Its tag and length. */
const PREFIX_OVERHEAD_BYTES = 4;

export class SubscriptionSet {
  readonly #subscriptions = new Set<LocalSubscription>();

  get empty(): boolean {
    return this.#subscriptions.size === 0;
  }

  /** Throws LIMIT_EXCEEDED for more namespaces than `maxNamespaces`. */
  add(subscription: LocalSubscription, maxNamespaces: number): void {
    this.#subscriptions.add(subscription);
    if (new Set(this.all().map((one) => one.namespace)).size <= maxNamespaces) return;
    this.#subscriptions.delete(subscription);
    throw tooManyNamespaces(maxNamespaces);
  }

  delete(subscription: LocalSubscription): boolean {
    return this.#subscriptions.delete(subscription);
  }

  all(): LocalSubscription[] {
    return [...this.#subscriptions];
  }

  /**
   * One selector for each namespace, the oldest first. Prefixes that the server does not take are widened to their whole
   * namespace; namespaces that it does not take are left out.
   */
  plan(limits: SubscriptionLimits, cursorBytes: number): SubscriptionPlan {
    const selectors: Selector[] = [];
    const refusals = new Map<string, CacheError>();
    let prefixRoom = limits.subscriptionMaxPrefixes;
    let byteRoom = limits.receiveMaxBytes - FRAME_OVERHEAD_BYTES - cursorBytes;
    const roomBytes = byteRoom;
    for (const [namespace, wanted] of this.#prefixesByNamespace()) {
      const namespaceBytes = namespace.length + SELECTOR_OVERHEAD_BYTES;
      const refusal = refusalOf(namespace, namespaceBytes, selectors.length, byteRoom, limits);
      if (refusal !== undefined) {
        refusals.set(namespace, refusal);
        continue;
      }
      const prefixes = wanted.length <= prefixRoom ? wanted : [];
      const fits = prefixes.every((prefix) => Buffer.byteLength(prefix) <= limits.keyMaxBytes);
      const prefixBytes = sizeOf(prefixes);
      const narrow = fits && namespaceBytes + prefixBytes <= byteRoom ? prefixes : [];
      prefixRoom -= narrow.length;
      byteRoom -= namespaceBytes + (narrow.length > 0 ? prefixBytes : 0);
      selectors.push({ $typeName: "meshcache.v1.Selector", namespace, prefixes: [...narrow] });
    }
    const all = this.all();
    return {
      selectors,
      covered: refusals.size === 0 ? all : all.filter(({ namespace }) => !refusals.has(namespace)),
      leftOut: all.flatMap((subscription) => {
        const error = refusals.get(subscription.namespace);
        return error === undefined ? [] : [{ subscription, error }];
      }),
      sizeBytes: roomBytes - byteRoom + FRAME_OVERHEAD_BYTES + cursorBytes,
    };
  }

  /** The prefixes of each namespace, in order. None: some subscription is in the whole namespace. */
  #prefixesByNamespace(): Map<string, readonly string[]> {
    const prefixes = new Map<string, Set<string>>();
    const whole = new Set<string>();
    for (const subscription of this.#subscriptions) {
      if (subscription.prefixes.length === 0) whole.add(subscription.namespace);
      const known = prefixes.get(subscription.namespace) ?? new Set();
      for (const prefix of subscription.prefixes) known.add(prefix);
      prefixes.set(subscription.namespace, known);
    }
    const listed = [...prefixes].map(
      ([namespace, known]) => [namespace, whole.has(namespace) ? [] : [...known].sort()] as const,
    );
    return new Map(listed);
  }
}

/** Whether two subscriptions ask for the same. */
export function areSameSelectors(some: readonly Selector[], others: readonly Selector[]): boolean {
  return (
    some.length === others.length &&
    some.every(({ namespace, prefixes }, index) => {
      const other = others[index];
      return (
        namespace === other?.namespace &&
        prefixes.length === other.prefixes.length &&
        prefixes.every((prefix, at) => prefix === other.prefixes[at])
      );
    })
  );
}

/** Why the server takes no selector of this namespace beside those before it. */
function refusalOf(
  namespace: string,
  selectorBytes: number,
  selectors: number,
  roomBytes: number,
  limits: SubscriptionLimits,
): CacheError | undefined {
  const { namespaceMaxBytes, subscriptionMaxSelectors, receiveMaxBytes } = limits;
  if (namespace.length > namespaceMaxBytes) {
    return fieldInvalid("namespace", `1 to ${namespaceMaxBytes} bytes of [a-z0-9] and then [a-z0-9._-]`);
  }
  if (selectors >= subscriptionMaxSelectors) return tooManyNamespaces(subscriptionMaxSelectors);
  if (selectorBytes > roomBytes) return limitExceeded("receive_max_bytes", String(receiveMaxBytes));
  return undefined;
}

function sizeOf(prefixes: readonly string[]): number {
  let bytes = 0;
  for (const prefix of prefixes) bytes += Buffer.byteLength(prefix) + PREFIX_OVERHEAD_BYTES;
  return bytes;
}

function tooManyNamespaces(maxNamespaces: number): CacheError {
  return limitExceeded("namespaces with a near cache or a subscriber", String(maxNamespaces));
}
