/** The Stream method: the events of one namespace, for any client that can read a server stream. */
import { create } from "@bufbuild/protobuf";
import {
  DrainingSchema,
  type StreamRequest,
  type StreamResponse,
} from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeStreamResponse } from "../../codec/event-frames.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";
import type { Limits } from "../../rpc/limits.ts";
import { fromSelectors } from "../../rpc/subscription.ts";
import { checkCursor } from "../../rpc/validate.ts";
import type { Store } from "../../store/api/store.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { Cancel } from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import { createEventFeed } from "./event-feed.ts";
import { createSendQueue } from "./send-queue.ts";
import type { DrainableStream, StreamRegistry } from "./stream-registry.ts";
import { deferOnce } from "./turn-scheduler.ts";

export interface StreamDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly streams: StreamRegistry;
}

export function openStream(
  call: StreamingCall,
  { namespace, prefixes, cursor }: StreamRequest,
  { store, limits, clock, telemetry, streams }: StreamDeps,
): Cancel {
  if (streams.draining) throw new CacheError("DRAINING", "the server is shutting down");
  const selectors = fromSelectors([{ namespace, prefixes }], limits);
  let sequence = 0n;
  let writable = true;
  let closed = false;

  /** Catches what fails, which in a deferred turn would not become the status of this stream. */
  const sendPending = (thenProgress = false) => {
    if (!writable || closed) return;
    try {
      const state = feed.sendPending(send);
      if (state === "later") sendLater();
      else if (state === "caughtUp" && thenProgress) send(feed.progress(0n));
    } catch (error) {
      telemetry.logger.error({ err: error }, "a stream failed");
      stream.end(new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    }
  };
  const sendLater = deferOnce(streams.defer, () => sendPending());
  const feed = createEventFeed(store, selectors, checkCursor(cursor, limits), streams.limits, sendLater);
  const queue = createSendQueue(call, streams.limits.queueMaxBytes, streams.budget, () => {
    writable = true;
    sendLater();
  });
  const send = (frame: StreamResponse["frame"]): boolean => {
    sequence += 1n;
    writable = queue.send(
      encodeStreamResponse({ $typeName: "meshcache.v1.StreamResponse", frame, sequence }),
    );
    return writable;
  };
  const sendProgress = streams.boundary.guard(undefined, () => {
    sendPending(true);
    timer = clock.schedule(streams.limits.progressIntervalMs, sendProgress);
  });
  let timer: Timer = clock.schedule(streams.limits.progressIntervalMs, sendProgress);

  const stream: DrainableStream = {
    drain: () => {
      send({ case: "draining", value: create(DrainingSchema) });
    },
    end: (error) => call.end(error),
  };
  streams.open.add(stream);
  streams.subscribers.add(feed.subscriber);
  send(feed.opened());
  sendPending();

  return () => {
    closed = true;
    timer.cancel();
    queue.close();
    streams.open.delete(stream);
    streams.subscribers.delete(feed.subscriber);
    feed.subscriber.close();
  };
}
