/** Frames use pooled memory: none of it may be given out again before its frame is released. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GetRequestSchema, SetRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { GrpcFrame } from "../../../src/codec/framing/grpc-frame.ts";
import { returnMemory, STEP_BYTES, takeMemory } from "../../../src/codec/framing/message-memory.ts";
import { encodeFrame } from "../../../src/codec/messages.ts";

interface Kept {
  readonly frame: GrpcFrame;
  readonly expected: Buffer;
}

const message = (bytes: number, fill: number) =>
  create(SetRequestSchema, { key: "k", value: new Uint8Array(bytes).fill(fill) });

function framed(encoded: Uint8Array): Buffer {
  const prefix = Buffer.alloc(5);
  prefix.writeUInt32BE(encoded.length, 1);
  return Buffer.concat([prefix, encoded]);
}

describe("A frame", () => {
  it("has gRPC's prefix before the message, by hand and by the generated codec", () => {
    const byHand = create(GetRequestSchema, { key: "k" });
    const frame = encodeFrame(GetRequestSchema, byHand);
    expect(frame.bytes).toEqual(framed(toBinary(GetRequestSchema, byHand)));
    expect(frame.message).toEqual(Buffer.from(toBinary(GetRequestSchema, byHand)));
    expect(encodeFrame(GetRequestSchema, create(GetRequestSchema)).bytes).toEqual(Buffer.alloc(5));
  });

  it("keeps its bytes until it is released, whatever is encoded and released meanwhile", () => {
    const size = fc.oneof(
      fc.nat(100),
      fc.nat(20_000),
      fc.nat(300_000),
      fc.constantFrom(STEP_BYTES - 20, STEP_BYTES, 1_500_000),
    );
    fc.assert(
      fc.property(fc.array(fc.tuple(size, fc.nat(7)), { maxLength: 30 }), (steps) => {
        const kept: Kept[] = [];
        for (const [index, [bytes, released]] of steps.entries()) {
          const one = message(bytes, index);
          const frame = encodeFrame(SetRequestSchema, one);
          expect(frame.heldBytes).toBeGreaterThanOrEqual(frame.bytes.length);
          kept.push({ frame, expected: framed(toBinary(SetRequestSchema, one)) });
          // Out of order, and often none.
          for (const { frame: sent } of kept.splice(released, released > 3 ? 0 : 1)) sent.release();
          for (const { frame: held, expected } of kept) expect(held.bytes.equals(expected)).toBe(true);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("returns its memory once, however often it is released", () => {
    const memory = takeMemory(STEP_BYTES);
    const frame = new GrpcFrame(memory.subarray(0, 10), memory);
    frame.release();
    frame.release();
    const first = takeMemory(STEP_BYTES);
    const second = takeMemory(STEP_BYTES);
    expect(first).not.toBe(second);
    returnMemory(first);
    returnMemory(second);
  });

  it("occupies at most eight times its bytes, or one step of allocation", () => {
    for (const bytes of [700_000, 10, 5_000, 9_000, 70_000, 300_000, 9_000]) {
      const { heldBytes, bytes: sent } = encodeFrame(SetRequestSchema, message(bytes, 1));
      expect(heldBytes).toBeLessThanOrEqual(Math.max(STEP_BYTES, 8 * sent.length));
    }
  });
});
