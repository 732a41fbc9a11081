/** What one stream is subscribed to: what was asked for, what is live, and where its first subscription resumes. */

import type { Selector, Subscription } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NO_BYTES } from "../../common/bytes.ts";
import { LIMIT_BOUNDS } from "../../rpc/limits.ts";
import type { ServerLimits } from "../api/server-limits.ts";
import { type Cover, coverOfAll, NO_COVER, SelectorCover } from "../coherence/selector-cover.ts";
import type { SubscriptionPlan } from "../coherence/subscription-set.ts";

interface SentSubscription {
  readonly plan: SubscriptionPlan;
  /** What the client took for the server's limits. */
  readonly limits: ServerLimits;
  /** It was the first that the server took notice of: it may carry a cursor. */
  readonly isFirst: boolean;
}

const NONE_DENIED: ReadonlySet<string> = new Set();

/** What a frame takes beside its cursor, at most. */
const ENVELOPE_BYTES = 64;

export class StreamSubscription {
  /** What the newest answered subscription covers. */
  live: Cover = NO_COVER;
  /** The namespaces of the newest answered subscription whose events the server denies this client. */
  denied: ReadonlySet<string> = NONE_DENIED;
  /** What the first answered subscription covers. */
  firstCover: Cover = NO_COVER;
  /** Of the newest subscription. */
  plan: SubscriptionPlan | undefined;
  /** Of the first one, which resumes. */
  firstPlan: SubscriptionPlan | undefined;
  /** The server takes no cursor as long as the one to resume from: the events since then are lost. */
  missedEvents = false;
  /** Sent and not answered, by the ids of their frames. */
  readonly #unanswered = new Map<bigint, SentSubscription>();
  #awaitsLimits = false;
  #resumable = true;

  /** What the newest subscription asks for. */
  get selectors(): readonly Selector[] {
    return this.plan?.selectors ?? [];
  }

  /** What is covered now: by the newest answered subscription, and by those that will replace it. */
  get cover(): Cover {
    if (this.#unanswered.size === 0) return this.live;
    return coverOfAll([this.live, ...Array.from(this.#unanswered.values(), ({ plan }) => plan.cover)]);
  }

  /** Every subscription so far is answered. */
  get isAnswered(): boolean {
    return this.#unanswered.size === 0 && !this.#awaitsLimits;
  }

  /** A subscription is to be made once the server has said its limits. */
  get awaitsLimits(): boolean {
    return this.#awaitsLimits;
  }

  /** How many bytes of the next subscription its cursor takes. */
  cursorBytes(cursor: Uint8Array, limits: ServerLimits): number {
    return this.#resumable && isCursorTaken(cursor, limits) ? cursor.length : 0;
  }

  /**
   * Subscribes to this instead of what was subscribed to before; `send` sends the frame and returns its id. The first
   * subscription resumes at `cursor`, if the server takes one so long. Before the server has said its limits, nothing is
   * sent that some server might end the stream for.
   */
  subscribe(
    plan: SubscriptionPlan,
    cursor: Uint8Array,
    limits: ServerLimits,
    hasOpened: boolean,
    send: (subscription: Subscription) => bigint,
  ): void {
    const cursorBytes = this.cursorBytes(cursor, limits) + ENVELOPE_BYTES;
    this.#awaitsLimits = !hasOpened && plan.sizeBytes + cursorBytes > LIMIT_BOUNDS.receiveMaxBytes.min;
    if (this.#awaitsLimits) return;
    const isFirst = this.#resumable;
    const resumed = isFirst && isCursorTaken(cursor, limits) ? cursor : NO_BYTES;
    if (isFirst && resumed.length < cursor.length) this.missedEvents = true;
    this.#resumable = false;
    this.plan = plan;
    if (isFirst) this.firstPlan = plan;
    const { selectors } = plan;
    const id = send({
      $typeName: "meshcache.v1.Subscription",
      selectors,
      cursor: resumed,
      permittedOnly: true,
    });
    this.#unanswered.set(id, { plan, limits, isFirst });
  }

  /**
   * The server answered the frame with this id. Returns whether the stream stands at the cursor of the answer: one that
   * resumes stands where it stood until the missed events are here. `denied`: the selectors that the server left out.
   */
  opened(id: bigint, cursor: Uint8Array, denied: readonly number[]): boolean {
    const subscription = this.#unanswered.get(id);
    if (subscription === undefined) return false;
    this.#unanswered.delete(id);
    const { cover, selectors } = subscription.plan;
    const leftOut = new Set(denied);
    this.live = leftOut.size === 0 ? cover : new SelectorCover(selectors.filter((_, at) => !leftOut.has(at)));
    this.denied = new Set(selectors.flatMap(({ namespace }, at) => (leftOut.has(at) ? [namespace] : [])));
    if (subscription.isFirst) this.firstCover = this.live;
    return cursor.length === 0 || (subscription.isFirst && this.missedEvents);
  }

  /**
   * The server refused the frame with this id. True: it was made with other limits than these, which are what the server has
   * said since, and is to be made again. False: it was no subscription, or was made with these limits, or it was the first
   * and another one was sent behind it, which then was the first for the server and did not resume.
   */
  mayRetry(id: bigint, limits: ServerLimits): boolean {
    const refused = this.#unanswered.get(id);
    if (refused === undefined || refused.limits === limits) return false;
    if (refused.isFirst && this.#unanswered.size > 1) return false;
    this.#unanswered.delete(id);
    if (refused.isFirst) this.#resumable = true;
    return true;
  }
}

/** Whether the server takes a cursor of this length, in a Subscription and in an Ack. */
export function isCursorTaken({ length }: Uint8Array, limits: ServerLimits): boolean {
  return length <= limits.cursorMaxBytes && length + ENVELOPE_BYTES <= limits.receiveMaxBytes;
}
