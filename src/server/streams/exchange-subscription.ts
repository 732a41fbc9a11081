/** The subscription of one Exchange: it has none, or one event feed whose selectors may change. */
import { create } from "@bufbuild/protobuf";
import { ProgressSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { checkCursor } from "../../rpc/validate.ts";
import type { Backend } from "../../store/api/backend.ts";
import type { Selector, Subscriber } from "../../store/api/store.ts";
import {
  createEventFeed,
  type EventFeed,
  type FeedFrame,
  type FeedLimits,
  type FeedState,
} from "./event-feed.ts";

export interface ExchangeSubscriptionDeps {
  readonly store: Backend;
  readonly limits: Limits;
  readonly feed: FeedLimits;
  /** Where the subscriber is listed from the first subscription to `close()`. */
  readonly subscribers?: Set<Subscriber>;
}

export class ExchangeSubscription {
  readonly #deps: ExchangeSubscriptionDeps;
  readonly #wake: () => void;
  #feed: EventFeed | undefined;

  /** `wake`: called when the store has new events for the subscriber. */
  constructor(deps: ExchangeSubscriptionDeps, wake: () => void) {
    this.#deps = deps;
    this.#wake = wake;
  }

  /**
   * Subscribes, or replaces the selectors: only right after `sendPending` returned "caughtUp", as the subscriber
   * demands. Returns the Opened frame that answers it. Throws FIELD_INVALID.
   */
  subscribe(selected: readonly Selector[], cursor: Uint8Array): FeedFrame {
    const { store, limits, feed, subscribers } = this.#deps;
    if (this.#feed === undefined) {
      this.#feed = createEventFeed(store, selected, checkCursor(cursor, limits), feed, this.#wake);
      subscribers?.add(this.#feed.subscriber);
    } else {
      if (cursor.length > 0) throw fieldInvalid("cursor", "empty after the first subscription");
      this.#feed.subscriber.select(selected);
    }
    return this.#feed.opened();
  }

  /** As `EventFeed.sendPending`. Without a subscription nothing is ever pending. */
  sendPending(send: (frame: FeedFrame) => boolean): FeedState {
    return this.#feed === undefined ? "caughtUp" : this.#feed.sendPending(send);
  }

  /** The cursor of the Progress is empty without a subscription. */
  progress(nonce: bigint): FeedFrame {
    return this.#feed?.progress(nonce) ?? { case: "progress", value: create(ProgressSchema, { nonce }) };
  }

  /** Checks the cursor that the client acknowledges. Nothing depends on it yet. Throws FIELD_INVALID. */
  acknowledge(cursor: Uint8Array): void {
    this.#feed?.subscriber.lag(checkCursor(cursor, this.#deps.limits));
  }

  /** How many events its subscriber has not been sent, and how often a log has overrun it. */
  delay(): { readonly lagEvents: number; readonly overruns: number } {
    if (this.#feed === undefined) return { lagEvents: 0, overruns: 0 };
    return { lagEvents: this.#feed.subscriber.lag(), overruns: this.#feed.overruns };
  }

  close(): void {
    if (this.#feed === undefined) return;
    this.#feed.subscriber.close();
    this.#deps.subscribers?.delete(this.#feed.subscriber);
  }
}
