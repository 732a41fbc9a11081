/** Who wants which events: near caches and subscribers, and the one subscription that satisfies them all. */
import type { Selector } from "../../../gen/meshcache/v1/cache_pb.ts";
import { type CacheError, fieldInvalid, limitExceeded } from "../../common/errors.ts";
import { type Cover, SelectorCover, type WantedKeys } from "./selector-cover.ts";
import { toWiderSelectors } from "./wider-selectors.ts";

/** The events that one near cache or event subscription wants. */
export interface LocalSubscription extends WantedKeys {
  /** Events of it may be missed from now on, until a subscription covers it again: what it has kept may not be served. */
  uncovered(): void;
  /** The server takes no subscription that covers it. */
  refused(error: CacheError): void;
  /** Only for who must be told of each subscription that covers it and has become live: at each reconnect, say. */
  live?(): void;
  /** For the same: there is no stream. */
  lost?(): void;
}

/** What a server takes in one subscription. */
export interface SubscriptionLimits {
  readonly namespaceMaxBytes: number;
  readonly keyMaxBytes: number;
  readonly subscriptionMaxSelectors: number;
  readonly subscriptionMaxPrefixes: number;
  readonly receiveMaxBytes: number;
  readonly namespacePrefixes: boolean;
}

/** One subscription for as many subscriptions as the server takes. */
export interface SubscriptionPlan {
  readonly selectors: Selector[];
  readonly cover: Cover;
  readonly leftOut: readonly { readonly subscription: LocalSubscription; readonly error: CacheError }[];
  /** At most what the selectors take in a message, without the cursor. */
  readonly sizeBytes: number;
}

/** What a plan was made for. */
interface Made {
  readonly plan: SubscriptionPlan;
  readonly limits: SubscriptionLimits;
  /** Bytes that the cursor left for the selectors. */
  readonly roomBytes: number;
  readonly namespaces: number;
  readonly isWidened: boolean;
  /** There was too little room, so that more would make another plan. */
  readonly lacksRoom: boolean;
}

interface Draft {
  readonly plan: SubscriptionPlan;
  readonly lacksRoom: boolean;
}

/** What a Subscription takes beside its selectors and its cursor, at most. */
const FRAME_OVERHEAD_BYTES = 64;
const SELECTOR_OVERHEAD_BYTES = 16;
/** Its tag and length. */
const PREFIX_OVERHEAD_BYTES = 4;
/** Of the selectors, when they are widened. The others are for namespaces to come, so that these change no other one. */
const WIDENED_SHARE = 3 / 4;

export class SubscriptionSet {
  /** Each list is replaced, never changed in place: most have one item, and there may be very many. */
  readonly #byNamespace = new Map<string, readonly LocalSubscription[]>();
  /** Those that are told when they are live. */
  readonly #told = new Set<LocalSubscription>();
  #made: Made | undefined;

  get empty(): boolean {
    return this.#byNamespace.size === 0;
  }

  /** Those that are told when they are live, and when there is no stream. */
  get told(): Iterable<LocalSubscription> {
    return this.#told;
  }

  *all(): Iterable<LocalSubscription> {
    for (const subscriptions of this.#byNamespace.values()) yield* subscriptions;
  }

  /**
   * Throws LIMIT_EXCEEDED for a subscriber of one more namespace than the server of these limits takes. A near cache that
   * does not get its events keeps nothing.
   */
  add(subscription: LocalSubscription, limits: SubscriptionLimits | undefined): void {
    const { namespace } = subscription;
    const others: readonly LocalSubscription[] = this.#byNamespace.get(namespace) ?? [];
    const isToldLater = subscription.live !== undefined;
    if (isToldLater && limits !== undefined && !limits.namespacePrefixes) {
      const { subscriptionMaxSelectors } = limits;
      const { size } = this.#byNamespace;
      const isAmongOldest = this.#oldest(subscriptionMaxSelectors).includes(namespace);
      if (size >= subscriptionMaxSelectors && !isAmongOldest)
        throw tooManyNamespaces(subscriptionMaxSelectors);
    }
    this.#byNamespace.set(namespace, others.concat(subscription));
    if (isToldLater) this.#told.add(subscription);
    if (this.#made?.plan.cover.covers(subscription)) return;
    this.#made = this.#made && extended(this.#made, subscription);
  }

  /** False: it was not in the set. */
  delete(subscription: LocalSubscription): boolean {
    const { namespace } = subscription;
    const known = this.#byNamespace.get(namespace);
    const others = known?.filter((other) => other !== subscription) ?? [];
    if (known === undefined || others.length === known.length) return false;
    if (others.length === 0) this.#byNamespace.delete(namespace);
    else this.#byNamespace.set(namespace, others);
    this.#told.delete(subscription);
    if (this.#mayNarrow()) this.#made = undefined;
    return true;
  }

  /**
   * As few selectors as the server takes, the same ones as long as they cover everybody. Prefixes of keys that the server
   * does not take are widened to their namespace, and namespaces to a prefix that they share. A server that takes no
   * prefixes of namespaces gets the oldest ones; the others are left out.
   */
  plan(limits: SubscriptionLimits, cursorBytes: number): SubscriptionPlan {
    const roomBytes = limits.receiveMaxBytes - FRAME_OVERHEAD_BYTES - cursorBytes;
    const made = this.#made;
    const isSame =
      made?.limits === limits &&
      made.plan.sizeBytes <= roomBytes &&
      (made.roomBytes >= roomBytes || !made.lacksRoom);
    if (isSame) return made.plan;
    const exact = this.#exactPlan(limits, roomBytes);
    const isWidened = exact.plan.leftOut.length > 0 && limits.namespacePrefixes;
    const draft = isWidened ? this.#widenedPlan(limits, roomBytes) : exact;
    this.#made = { ...draft, limits, roomBytes, namespaces: this.#byNamespace.size, isWidened };
    return draft.plan;
  }

  #oldest(most: number): string[] {
    const names: string[] = [];
    for (const namespace of this.#byNamespace.keys()) {
      if (names.length === most) break;
      names.push(namespace);
    }
    return names;
  }

  /** Widened selectors are worth another plan when half of their namespaces are gone, or few are left. */
  #mayNarrow(): boolean {
    if (this.#made === undefined || !this.#made.isWidened) return true;
    const { namespaces, limits } = this.#made;
    const { size } = this.#byNamespace;
    return size * 2 < namespaces || size * 2 === limits.subscriptionMaxSelectors;
  }

  #exactPlan(limits: SubscriptionLimits, roomBytes: number): Draft {
    const selectors: Selector[] = [];
    const leftOut: { readonly subscription: LocalSubscription; readonly error: CacheError }[] = [];
    let prefixRoom = limits.subscriptionMaxPrefixes;
    let byteRoom = roomBytes;
    let lacksRoom = false;
    for (const [namespace, subscriptions] of this.#byNamespace) {
      const namespaceBytes = namespace.length + SELECTOR_OVERHEAD_BYTES;
      const error = refusalOf(namespace, namespaceBytes, selectors.length, byteRoom, limits);
      if (error !== undefined) {
        lacksRoom = true;
        for (const subscription of subscriptions) leftOut.push({ subscription, error });
        continue;
      }
      const wanted = prefixesOf(subscriptions);
      const prefixes = wanted.length <= prefixRoom ? wanted : [];
      const fits = prefixes.every((prefix) => Buffer.byteLength(prefix) <= limits.keyMaxBytes);
      const prefixBytes = sizeOf(prefixes);
      const narrow = fits && namespaceBytes + prefixBytes <= byteRoom ? prefixes : [];
      if (narrow.length < wanted.length) lacksRoom = true;
      prefixRoom -= narrow.length;
      byteRoom -= namespaceBytes + (narrow.length > 0 ? prefixBytes : 0);
      selectors.push(exactSelector(namespace, [...narrow]));
    }
    return { plan: toPlan(selectors, leftOut, roomBytes - byteRoom), lacksRoom };
  }

  #widenedPlan(limits: SubscriptionLimits, roomBytes: number): Draft {
    const { namespaceMaxBytes, subscriptionMaxSelectors } = limits;
    const names = Array.from(this.#byNamespace.keys()).filter(({ length }) => length <= namespaceMaxBytes);
    const leftOut = Array.from(this.all())
      .filter(({ namespace }) => namespace.length > namespaceMaxBytes)
      .map((subscription) => ({ subscription, error: namespaceTooLong(namespaceMaxBytes) }));
    let most = Math.max(1, Math.floor(subscriptionMaxSelectors * WIDENED_SHARE));
    let selectors = toWiderSelectors(names, most);
    while (bytesOf(selectors) > roomBytes && most > 1) {
      most = Math.floor(most / 2);
      selectors = toWiderSelectors(names, most);
    }
    if (bytesOf(selectors) > roomBytes) selectors = [{ ...exactSelector("", []), namespaceIsPrefix: true }];
    const lacksRoom = selectors.length < Math.floor(subscriptionMaxSelectors * WIDENED_SHARE);
    return { plan: toPlan(selectors, leftOut, bytesOf(selectors)), lacksRoom };
  }
}

/** The plan with one more selector. Undefined: the server does not take it. */
function extended(made: Made, { namespace, prefixes }: LocalSubscription): Made | undefined {
  const { plan, limits, roomBytes, isWidened } = made;
  if (!isWidened || prefixes.length > 0) return undefined;
  const selectors = [...plan.selectors, exactSelector(namespace, [])];
  const sizeBytes = plan.sizeBytes + namespace.length + SELECTOR_OVERHEAD_BYTES;
  const { namespaceMaxBytes, subscriptionMaxSelectors } = limits;
  const isTaken =
    selectors.length <= subscriptionMaxSelectors &&
    namespace.length <= namespaceMaxBytes &&
    sizeBytes <= roomBytes;
  if (!isTaken) return undefined;
  return { ...made, plan: toPlan(selectors, plan.leftOut, sizeBytes), namespaces: made.namespaces + 1 };
}

function toPlan(
  selectors: Selector[],
  leftOut: SubscriptionPlan["leftOut"],
  selectorBytes: number,
): SubscriptionPlan {
  return { selectors, cover: new SelectorCover(selectors), leftOut, sizeBytes: selectorBytes };
}

function exactSelector(namespace: string, prefixes: string[]): Selector {
  return { $typeName: "meshcache.v1.Selector", namespace, namespaceIsPrefix: false, prefixes };
}

/** In order. None: some subscription is in the whole namespace. */
function prefixesOf(subscriptions: readonly LocalSubscription[]): readonly string[] {
  const prefixes = new Set<string>();
  for (const subscription of subscriptions) {
    if (subscription.prefixes.length === 0) return [];
    for (const prefix of subscription.prefixes) prefixes.add(prefix);
  }
  return [...prefixes].sort();
}

/** Whether two subscriptions ask for the same. */
export function areSameSelectors(some: readonly Selector[], others: readonly Selector[]): boolean {
  if (some === others) return true;
  return (
    some.length === others.length &&
    some.every(({ namespace, namespaceIsPrefix, prefixes }, index) => {
      const other = others[index];
      return (
        namespace === other?.namespace &&
        namespaceIsPrefix === other.namespaceIsPrefix &&
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
  if (namespace.length > namespaceMaxBytes) return namespaceTooLong(namespaceMaxBytes);
  if (selectors >= subscriptionMaxSelectors) return tooManyNamespaces(subscriptionMaxSelectors);
  if (selectorBytes > roomBytes) return limitExceeded("receive_max_bytes", String(receiveMaxBytes));
  return undefined;
}

function bytesOf(selectors: readonly Selector[]): number {
  return selectors.reduce((total, { namespace }) => total + namespace.length + SELECTOR_OVERHEAD_BYTES, 0);
}

function sizeOf(prefixes: readonly string[]): number {
  let bytes = 0;
  for (const prefix of prefixes) bytes += Buffer.byteLength(prefix) + PREFIX_OVERHEAD_BYTES;
  return bytes;
}

function namespaceTooLong(maxBytes: number): CacheError {
  return fieldInvalid("namespace", `1 to ${maxBytes} bytes of [a-z0-9] and then [a-z0-9._-]`);
}

function tooManyNamespaces(maxNamespaces: number): CacheError {
  return limitExceeded("namespaces with a near cache or a subscriber", String(maxNamespaces));
}
