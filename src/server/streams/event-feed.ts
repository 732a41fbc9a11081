/**
 * Turns the events after one subscriber's position into the frames of a stream: Opened, events, gaps, and the Progress
 * that says it has caught up. It reads only while the stream takes frames: unread events stay in the bounded logs of the
 * store, and when a log overruns its reader, the reader gets one Gap.
 */
import { create } from "@bufbuild/protobuf";
import {
  Gap_Reason,
  type Limits,
  OpenedSchema,
  type StreamResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { eventsMessageBytes } from "../../codec/event-frames.ts";
import { toEvents, toGap, toPredecessors } from "../../rpc/subscription.ts";
import type { Backend } from "../../store/api/backend.ts";
import type { Selector, Subscriber, SubscriberRead } from "../../store/api/store.ts";

/** The frames that Stream and Exchange have in common. */
export type FeedFrame = Extract<StreamResponse["frame"], { case: "opened" | "events" | "progress" | "gap" }>;

export interface FeedLimits {
  readonly frameMaxEvents: number;
  readonly frameMaxBytes: number;
  /** What Opened says of this server's limits. */
  readonly openedLimits: Limits;
}

export interface EventFeed {
  readonly subscriber: Subscriber;
  /** Gaps that were sent since a log had overrun the subscriber. */
  readonly overruns: number;
  /** The Opened frame for the current position. A Progress follows the next time everything was sent. */
  opened(): FeedFrame;
  /** Sends pending events while `send` returns true. */
  sendPending(send: (frame: FeedFrame) => boolean): FeedState;
  progress(nonce: bigint): FeedFrame;
}

/**
 * "caughtUp": everything was sent. "full": `send` returned false. "later": there is more, to be sent in a later turn of the
 * event loop.
 */
export type FeedState = "caughtUp" | "full" | "later";

/** Subscribes from `cursor`, or from now when it is empty. `wake`: called when there may be events to send. */
export function createEventFeed(
  store: Backend,
  selectors: readonly Selector[],
  cursor: Uint8Array,
  limits: FeedLimits,
  wake: () => void,
): EventFeed {
  const subscriber = store.subscribe(selectors, cursor, wake);
  const { sendMaxBytes } = limits.openedLimits;
  const frameMaxBytes = Math.min(limits.frameMaxBytes, sendMaxBytes / 2);
  let progressDue = false;
  /** The first read is made even without new events: it returns the gap of an expired cursor. */
  let firstRead = true;
  let overruns = 0;
  const progress = (nonce: bigint): FeedFrame => ({
    case: "progress",
    value: { $typeName: "meshcache.v1.Progress", cursor: subscriber.cursor(), nonce },
  });
  return {
    subscriber,
    get overruns() {
      return overruns;
    },
    progress,
    opened() {
      progressDue = true;
      return toOpened(store, subscriber.cursor(), limits.openedLimits);
    },
    sendPending(send) {
      let more = firstRead || subscriber.behind();
      firstRead = false;
      while (more) {
        const read = subscriber.read(limits.frameMaxEvents, frameMaxBytes);
        // Events that are appended from here on belong to a later call, or other threads could keep this one going.
        more = subscriber.unfinished();
        if (read === undefined) {
          if (more) return "later";
          break;
        }
        const frame = toFrame(store.epoch, read, sendMaxBytes);
        // A Gap carries the position too.
        if (frame.case === "gap") {
          progressDue = false;
          if (frame.value.reason === Gap_Reason.OVERRUN) overruns += 1;
        }
        if (!send(frame)) return "full";
      }
      if (progressDue) {
        progressDue = false;
        if (!send(progress(0n))) return "full";
      }
      return "caughtUp";
    },
  };
}

/** The events of a revision are one frame. Where they are larger than a message may be, a gap is in their place. */
function toFrame(epoch: bigint, read: SubscriberRead, sendMaxBytes: number): FeedFrame {
  if (read.kind === "gap") return { case: "gap", value: toGap(read.reason, read.cursor, epoch) };
  const events = toEvents(read, epoch);
  if (eventsMessageBytes(events) <= sendMaxBytes) return { case: "events", value: events };
  return { case: "gap", value: toGap("overrun", read.cursor, epoch) };
}

/** `cursor`: empty for a stream without a subscription. */
export function toOpened(
  store: Backend,
  cursor: Uint8Array,
  limits: Limits,
): Extract<FeedFrame, { case: "opened" }> {
  return {
    case: "opened",
    value: create(OpenedSchema, {
      cursor,
      epoch: store.epoch,
      shards: store.shardCount,
      limits,
      continues: toPredecessors(store.predecessors),
    }),
  };
}
