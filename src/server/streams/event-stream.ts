/** Stream: the invalidation stream of one namespace, for any client that can read a server stream. */
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
import { toLimitsMessage } from "../../rpc/limits-message.ts";
import { fromSelectors } from "../../rpc/subscription.ts";
import { checkCursor } from "../../rpc/validate.ts";
import type { Store } from "../../store/api/store.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { Cancel } from "../calls/handler.ts";
import type { StreamingCall } from "../calls/handler-call.ts";
import { createEventFeed } from "./event-feed.ts";
import { deferOnce } from "./pump-scheduler.ts";
import { createFrameQueue } from "./send-queue.ts";
import type { DrainableStream, StreamRegister } from "./stream-registry.ts";

export interface StreamDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly streams: StreamRegister;
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

  /** Nobody else would catch what fails in a turn of its own. */
  const pump = (thenProgress = false) => {
    if (!writable || closed) return;
    try {
      const state = feed.pump(send);
      if (state === "later") pumpLater();
      else if (state === "caughtUp" && thenProgress) send(feed.progress(0n));
    } catch (error) {
      telemetry.logger.error({ err: error }, "a stream failed");
      stream.end(new CacheError("INTERNAL", "internal error", {}, { cause: error }));
    }
  };
  const pumpLater = deferOnce(streams.defer, () => pump());
  const feedLimits = { ...streams.limits, greeted: toLimitsMessage({ ...limits, ...streams.limits }) };
  const feed = createEventFeed(store, selectors, checkCursor(cursor, limits), feedLimits, pumpLater);
  const queue = createFrameQueue(call, streams.limits.queueMaxBytes, streams.budget, () => {
    writable = true;
    pumpLater();
  });
  const send = (frame: StreamResponse["frame"]): boolean => {
    sequence += 1n;
    writable = queue.send(
      encodeStreamResponse({ $typeName: "meshcache.v1.StreamResponse", frame, sequence }),
    );
    return writable;
  };
  const tellProgress = streams.boundary.guard(undefined, () => {
    pump(true);
    timer = clock.schedule(streams.limits.progressIntervalMs, tellProgress);
  });
  let timer: Timer = clock.schedule(streams.limits.progressIntervalMs, tellProgress);

  const stream: DrainableStream = {
    drain: () => {
      send({ case: "draining", value: create(DrainingSchema) });
    },
    end: (error) => call.end(error),
  };
  streams.open.add(stream);
  streams.subscribers.add(feed.subscriber);
  send(feed.opened());
  pump();

  return () => {
    closed = true;
    timer.cancel();
    queue.close();
    streams.open.delete(stream);
    streams.subscribers.delete(feed.subscriber);
    feed.subscriber.close();
  };
}
