/** Compares the frames of events, encoded by hand, with those of the generated encoder. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  EventsSchema,
  ExchangeResponseSchema,
  OpenedSchema,
  StreamResponseSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { encodeExchangeResponse, encodeStreamResponse } from "../../src/codec/event-frames.ts";
import { toEvent } from "../../src/rpc/subscription.ts";
import type { StoreEvent } from "../../src/store/api/store.ts";

const text = fc.string({ unit: "grapheme", maxLength: 300 });
const storeEvent: fc.Arbitrary<StoreEvent> = fc.record({
  shard: fc.nat(255),
  revision: fc.maxSafeNat(),
  kind: fc.constantFrom("set", "invalidated", "staled", "touched"),
  namespace: text,
  target: fc.constantFrom("key", "tag", "prefix", "all"),
  name: text,
  origin: text,
  traceparent: text,
});
const frame = fc.record({
  epoch: fc.bigInt(1n, 2n ** 64n - 1n),
  events: fc.array(storeEvent, { maxLength: 20 }),
  cursor: fc.uint8Array({ maxLength: 300 }),
  sequence: fc.bigInt(0n, 2n ** 53n - 1n),
});

describe("encodeExchangeResponse() and encodeStreamResponse()", () => {
  it("give the bytes of the generated encoder, the first time and again", () => {
    fc.assert(
      fc.property(frame, ({ epoch, events, cursor, sequence }) => {
        const messages = events.map((event) => toEvent(event, epoch));
        const value = create(EventsSchema, { events: messages, cursor: Uint8Array.from(cursor) });
        const exchange = create(ExchangeResponseSchema, { frame: { case: "events", value }, sequence });
        const stream = create(StreamResponseSchema, { frame: { case: "events", value }, sequence });
        for (let time = 0; time < 2; time++) {
          expect(encodeExchangeResponse(exchange).message).toEqual(
            Buffer.from(toBinary(ExchangeResponseSchema, exchange)),
          );
          expect(encodeStreamResponse(stream).message).toEqual(
            Buffer.from(toBinary(StreamResponseSchema, stream)),
          );
        }
      }),
      { numRuns: 300 },
    );
  });

  it("leave other frames to the generated encoder", () => {
    const value = create(OpenedSchema, { epoch: 1n, shards: 2 });
    const exchange = create(ExchangeResponseSchema, { id: 2n ** 64n - 1n, frame: { case: "opened", value } });
    expect(encodeExchangeResponse(exchange).message).toEqual(
      Buffer.from(toBinary(ExchangeResponseSchema, exchange)),
    );
  });
});

describe("toEvent()", () => {
  it("makes one message of an event for all its readers, and another for another epoch", () => {
    const [event] = fc.sample(storeEvent, { numRuns: 1, seed: 1 });
    if (event === undefined) throw new Error("no sample");
    expect(toEvent(event, 1n)).toBe(toEvent(event, 1n));
    expect(toEvent(event, 2n).stamp?.epoch).toBe(2n);
  });
});
