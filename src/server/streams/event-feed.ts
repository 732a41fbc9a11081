/**
 * Turns one subscriber's position in the store into the frames of a stream: Opened, events, gaps, and the
 * Progress that says it has caught up. Reads only while the stream takes frames: what is not read stays in
 * the store's own bounded logs, and an overrun becomes one Gap.
 */
import { create } from "@bufbuild/protobuf";
import { type Limits, OpenedSchema, type StreamResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { toEvents, toGap } from "../../rpc/subscription.ts";
import type { Selector, Store, Subscriber } from "../../store/api/store.ts";

/** The frames that Stream and Exchange have in common. */
export type FeedFrame = Extract<StreamResponse["frame"], { case: "opened" | "events" | "progress" | "gap" }>;

export interface FeedLimits {
  readonly frameMaxEvents: number;
  readonly frameMaxBytes: number;
  /** What Opened says of this server's limits. */
  readonly greeted: Limits;
}

export interface EventFeed {
  readonly subscriber: Subscriber;
  /** The Opened frame of this feed as it stands. The next time it has caught up it says so. */
  opened(): FeedFrame;
  /**
   * Sends what there is while `send` returns true. "caughtUp": everything was sent; "full": `send` refused
   * more for now; "later": there is more to look at, but others have a turn first.
   */
  pump(send: (frame: FeedFrame) => boolean): "caughtUp" | "full" | "later";
  progress(nonce: bigint): FeedFrame;
}

export function createEventFeed(
  store: Store,
  selectors: readonly Selector[],
  cursor: Uint8Array,
  limits: FeedLimits,
  wake: () => void,
): EventFeed {
  const subscriber = store.subscribe(selectors, cursor, wake);
  let announced = true;
  /** The first read also tells what became of the cursor. */
  let unread = true;
  const progress = (nonce: bigint): FeedFrame => ({
    case: "progress",
    value: { $typeName: "meshcache.v1.Progress", cursor: subscriber.cursor(), nonce },
  });
  return {
    subscriber,
    progress,
    opened() {
      announced = false;
      return toOpened(store, subscriber.cursor(), limits.greeted);
    },
    pump(send) {
      let more = unread || subscriber.behind();
      unread = false;
      while (more) {
        const read = subscriber.read(limits.frameMaxEvents, limits.frameMaxBytes);
        // What others append from here on is for the next turn, or they could keep this one going for ever.
        more = subscriber.unfinished();
        if (read === undefined) {
          if (more) return "later";
          break;
        }
        if (read.kind === "gap") announced = true;
        const frame: FeedFrame =
          read.kind === "gap"
            ? { case: "gap", value: toGap(read.reason, read.cursor, store.epoch) }
            : { case: "events", value: toEvents(read, store.epoch) };
        if (!send(frame)) return "full";
      }
      if (!announced) {
        announced = true;
        if (!send(progress(0n))) return "full";
      }
      return "caughtUp";
    },
  };
}

/** Opened of a stream that has no subscription yet has an empty cursor. */
export function toOpened(store: Store, cursor: Uint8Array, limits: Limits): FeedFrame {
  return {
    case: "opened",
    value: create(OpenedSchema, { cursor, epoch: store.epoch, shards: store.shardCount, limits }),
  };
}
