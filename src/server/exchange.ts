/** Exchange over grpc-js: reads while the session takes frames, encodes and queues what it sends. */
import type { ServerDuplexStream } from "@grpc/grpc-js";
import type { ExchangeRequest, ExchangeResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import type { Clock } from "../clock.ts";
import { CacheError } from "../errors.ts";
import type { Store } from "../store/store.ts";
import type { Telemetry } from "../telemetry/telemetry.ts";
import { encodeExchangeResponse } from "../wire/frames.ts";
import type { GrpcFrame } from "../wire/grpc-frame.ts";
import type { Limits } from "../wire/limits.ts";
import { toServiceError } from "../wire/status.ts";
import { createExchangeSession } from "./exchange-session.ts";
import { createFrameQueue } from "./frame-queue.ts";
import { takeOneAhead } from "./grpc-internals.ts";
import type { CallContext, Cancel } from "./handlers.ts";
import type { DrainableStream, StreamRegister } from "./stream-register.ts";

export interface ExchangeDeps {
  readonly store: Store;
  readonly limits: Limits;
  readonly clock: Clock;
  readonly telemetry: Telemetry;
  readonly streams: StreamRegister;
}

export function openExchange(
  call: ServerDuplexStream<ExchangeRequest, ExchangeResponse | GrpcFrame>,
  context: CallContext,
  { store, limits, clock, telemetry, streams }: ExchangeDeps,
): Cancel {
  if (streams.draining) throw new CacheError("DRAINING", "the server is shutting down");
  takeOneAhead(call);
  const steer = () => {
    if (session.paused()) call.pause();
    else if (call.isPaused()) call.resume();
  };
  const queue = createFrameQueue(call, streams.limits.queueMaxBytes, streams.budget, () => {
    session.drained();
    steer();
  });
  const end = (error?: CacheError) => {
    if (error === undefined) call.end();
    else call.emit("error", toServiceError(error));
  };
  const session = createExchangeSession(
    {
      store,
      limits,
      clock,
      telemetry,
      span: context.span,
      defer: streams.defer,
      unpaused: steer,
      subscribers: streams.subscribers,
      frameMaxEvents: streams.limits.frameMaxEvents,
      frameMaxBytes: streams.limits.frameMaxBytes,
      maxWaitingBatches: streams.limits.exchangeMaxWaitingBatches,
      sinkEncodes: true,
    },
    { send: (frame) => queue.send(encodeExchangeResponse(frame)), end },
  );
  const stream: DrainableStream = { drain: () => session.drain(), end };
  streams.open.add(stream);
  call.on("data", (frame: ExchangeRequest) => {
    session.receive(frame);
    steer();
  });
  call.once("end", () => session.halfClosed());
  return () => {
    streams.open.delete(stream);
    session.close();
  };
}
