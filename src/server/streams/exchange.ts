/** The Exchange method: connects a session to its call, encodes the frames it sends and queues them. */
import type { ExchangeRequest, ExchangeResponse } from "../../../gen/meshcache/v1/cache_pb.ts";
import { encodeExchangeResponse } from "../../codec/event-frames.ts";
import { CacheError } from "../../common/errors.ts";
import type { LoadShedder } from "../../rpc/admission.ts";
import type { Limits } from "../../rpc/limits.ts";
import type { Backend } from "../../store/api/backend.ts";
import type { Telemetry } from "../../telemetry/telemetry.ts";
import type { CallContext } from "../calls/handler.ts";
import type { RequestReader, StreamingCall } from "../calls/handler-call.ts";
import type { RefusalCounts } from "../limits/refusal-counts.ts";
import type { BusyPoll } from "./busy-poll.ts";
import { createExchangeSession } from "./exchange-session.ts";
import { createSendQueue } from "./send-queue.ts";
import type { DrainableStream, StreamRegistry } from "./stream-registry.ts";

export interface ExchangeDeps {
  readonly store: Backend;
  readonly limits: Limits;
  readonly telemetry: Telemetry;
  readonly streams: StreamRegistry;
  readonly busyPoll: BusyPoll;
  readonly shedder: LoadShedder;
  readonly refusals: RefusalCounts;
}

export function openExchange(
  call: StreamingCall,
  context: CallContext,
  { store, limits, telemetry, streams, busyPoll, shedder, refusals }: ExchangeDeps,
): RequestReader<ExchangeRequest> {
  if (streams.draining) throw new CacheError("DRAINING", "the server is shutting down");
  const queue = createSendQueue(
    call,
    streams.limits.queueMaxBytes,
    streams.budget,
    () => {
      session.drained();
      call.readOn();
    },
    (bound) => {
      streams.overflows[bound] += 1;
    },
  );
  const send = (response: ExchangeResponse): boolean => {
    const frame = encodeExchangeResponse(response);
    context.memory.turns.spend(frame.bytes.length);
    return queue.send(frame);
  };
  const end = (error?: CacheError) => call.end(error);
  const session = createExchangeSession(
    {
      store,
      limits,
      transport: streams.limits,
      telemetry,
      boundary: streams.boundary,
      shedder,
      refusals,
      span: context.span,
      memory: context.memory,
      access: context.access,
      defer: streams.defer,
      unpaused: () => call.readOn(),
      subscribers: streams.subscribers,
      sinkEncodes: true,
    },
    { ready: () => queue.ready(), send, end },
  );
  const stream: DrainableStream = {
    drain: () => session.drain(),
    end,
    denial: () => session.denial(),
    describe: () => session.describe(),
  };
  streams.open.add(stream);
  return {
    receive(frame) {
      session.receive(frame);
      if (frame.frame.case === "batch") busyPoll.sawBatch(frame.frame.value.operations.length);
    },
    paused: () => session.paused(),
    halfClosed: () => session.halfClosed(),
    closed() {
      queue.close();
      streams.open.delete(stream);
      session.close();
    },
  };
}
