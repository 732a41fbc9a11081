/** A client that uses the generated API and traces its calls, as a client in any language can. */
import { create } from "@bufbuild/protobuf";
import { Metadata } from "@grpc/grpc-js";
import { SpanKind, trace } from "@opentelemetry/api";
import {
  type BatchRequest,
  BatchRequestSchema,
  CacheService,
  type Event,
  ExchangeRequestSchema,
  OperationSchema,
  SetRequestSchema,
  type StreamResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import type { ServiceClient } from "../../src/rpc/client.ts";
import { formatTraceparent } from "../../src/telemetry/traceparent.ts";

export interface ClientSpan {
  readonly traceId: string;
  readonly spanId: string;
  readonly traceparent: string;
  readonly metadata: Metadata;
  end(): void;
}

export function startClientSpan(name: string): ClientSpan {
  const span = trace.getTracer("a service").startSpan(name, { kind: SpanKind.CLIENT, root: true });
  const { traceId, spanId } = span.spanContext();
  const traceparent = formatTraceparent(span.spanContext());
  const metadata = new Metadata();
  metadata.set("traceparent", traceparent);
  return { traceId, spanId, traceparent, metadata, end: () => span.end() };
}

/** A batch of Sets, each with the span of a different caller. */
export function batchOfSets(keys: readonly string[], spans: readonly ClientSpan[]): BatchRequest {
  return create(BatchRequestSchema, {
    namespace: "users",
    operations: keys.map((key, index) =>
      create(OperationSchema, {
        operation: {
          case: "set" as const,
          value: create(SetRequestSchema, { key, value: new TextEncoder().encode("value") }),
        },
        traceparent: spans[index]?.traceparent ?? "",
      }),
    ),
  });
}

/** Sends a batch over an exchange and waits for its answer. */
export function exchangeBatch(client: ServiceClient, batch: BatchRequest): Promise<void> {
  return new Promise((resolve, reject) => {
    const call = client.bidi(CacheService.method.exchange);
    call.on("error", reject);
    call.on("end", resolve);
    call.on("data", (response) => {
      if (response.frame.case === "batch") call.end();
    });
    call.write(create(ExchangeRequestSchema, { id: 1n, frame: { case: "open", value: { clientId: "x" } } }));
    call.write(create(ExchangeRequestSchema, { id: 2n, frame: { case: "batch", value: batch } }));
  });
}

export interface EventTap {
  /** The next `count` events. */
  take(count: number): Promise<readonly Event[]>;
  close(): void;
}

/** A subscription that is live when this resolves. */
export async function tapEvents(client: ServiceClient, namespace: string): Promise<EventTap> {
  const stream = client.serverStream(CacheService.method.stream, { namespace });
  stream.on("error", () => {});
  const events: Event[] = [];
  let onFrame = (_frame: StreamResponse["frame"]): void => {};
  stream.on("data", ({ frame }: StreamResponse) => {
    if (frame.case === "events") events.push(...frame.value.events);
    onFrame(frame);
  });
  await new Promise<void>((resolve) => {
    onFrame = (frame) => frame.case === "progress" && resolve();
  });
  return {
    take: (count) =>
      new Promise((resolve) => {
        onFrame = () => events.length >= count && resolve(events.splice(0, count));
        onFrame({ case: undefined });
      }),
    close: () => stream.cancel(),
  };
}
