/** Frames use pooled memory: none of it may be given out again before its frame is released. */
import { create, toBinary } from "@bufbuild/protobuf";
import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { GetRequestSchema, SetRequestSchema } from "../../../gen/meshcache/v1/cache_pb.ts";
import { GrpcFrame, returnMemory, takeMemory } from "../../../src/codec/framing/grpc-frame.ts";
import { encodeFrame } from "../../../src/codec/messages.ts";

const STEP_BYTES = 64 * 1024;

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

  it("returns its memory to a pool of at most 8 MiB, unless it has more than 1 MiB", async () => {
    // A fresh module, whose pool is empty.
    vi.resetModules();
    const { returnMemory, takeMemory } = await import("../../../src/codec/framing/grpc-frame.ts");
    const bytesOf = (memories: readonly Buffer[]): number =>
      memories.reduce((sum, memory) => sum + memory.length, 0);
    const sizes = Array.from({ length: 120 }, (_, index) => STEP_BYTES * (1 + (index % 3)));
    const burst = [...sizes, 2 ** 20 + 1].map(takeMemory);
    for (const memory of burst) returnMemory(memory);
    const next = [2 ** 20 + 1, ...sizes, ...sizes].map(takeMemory);
    expect(new Set(next).size).toBe(next.length);
    expect(next[0]).not.toBe(burst.at(-1));
    const keptBytes = bytesOf(next.filter((memory) => burst.includes(memory)));
    expect(keptBytes).toBeGreaterThan(8 * 2 ** 20 - 3 * STEP_BYTES);
    expect(keptBytes).toBeLessThanOrEqual(8 * 2 ** 20);
  });

  it("occupies at most eight times its bytes, or one step of allocation", () => {
    for (const bytes of [700_000, 10, 5_000, 9_000, 70_000, 300_000, 9_000]) {
      const { heldBytes, bytes: sent } = encodeFrame(SetRequestSchema, message(bytes, 1));
      expect(heldBytes).toBeLessThanOrEqual(Math.max(STEP_BYTES, 8 * sent.length));
    }
  });
});
