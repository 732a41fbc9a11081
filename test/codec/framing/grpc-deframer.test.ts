/** Messages come out of a stream whole, whatever the chunks of its bytes. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { GrpcDeframer } from "../../../src/codec/framing/grpc-deframer.ts";
import { takeMemory } from "../../../src/codec/framing/message-memory.ts";
import { framed } from "../../support/raw-grpc.ts";

const limits = { messageMaxBytes: 1_000, firstAllocationMaxBytes: 16 };

function cut(deframer: GrpcDeframer, pieces: readonly Buffer[]): Buffer[] {
  const messages: Buffer[] = [];
  for (const piece of pieces) {
    deframer.push(piece);
    for (let message = deframer.next(); message !== undefined; message = deframer.next()) {
      messages.push(Buffer.from(message));
    }
  }
  return messages;
}

function piecesOf(bytes: Buffer, lengths: readonly number[]): Buffer[] {
  const pieces: Buffer[] = [];
  let at = 0;
  for (const length of lengths) {
    pieces.push(bytes.subarray(at, at + length));
    at += length;
  }
  pieces.push(bytes.subarray(at));
  return pieces;
}

describe("GrpcDeframer", () => {
  it("returns the messages of the stream, whatever its chunks", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 });
    const lengths = fc.array(fc.nat({ max: 90 }), { maxLength: 40 });
    fc.assert(
      fc.property(messages, lengths, (sent, pieceLengths) => {
        const deframer = new GrpcDeframer(limits);
        const bytes = Buffer.concat(sent.map((message) => framed(message)));
        const cutOut = cut(deframer, piecesOf(bytes, pieceLengths));
        expect(cutOut).toEqual(sent.map((message) => Buffer.from(message)));
        expect(deframer.betweenMessages).toBe(true);
        expect(deframer.fault).toBeUndefined();
      }),
    );
  });

  it("is between two messages only at the end of one", () => {
    const deframer = new GrpcDeframer(limits);
    const bytes = framed(Buffer.from("abc"));
    expect(deframer.betweenMessages).toBe(true);
    for (let at = 0; at < bytes.length - 1; at++) {
      expect(cut(deframer, [bytes.subarray(at, at + 1)])).toEqual([]);
      expect(deframer.betweenMessages).toBe(false);
    }
    expect(cut(deframer, [bytes.subarray(-1)])).toEqual([Buffer.from("abc")]);
    expect(deframer.betweenMessages).toBe(true);
  });

  it.each([
    ["tooLarge", framed(Buffer.alloc(3), 0, 1_001)],
    ["compressed", framed(Buffer.alloc(3), 1)],
  ])("returns the messages before the fault %s, and none after it", (fault, bad) => {
    const deframer = new GrpcDeframer(limits);
    const good = framed(Buffer.from("good"));
    deframer.push(Buffer.concat([good, bad, good]));
    expect(deframer.next()).toEqual(Buffer.from("good"));
    expect(deframer.next()).toBeUndefined();
    expect(deframer.next()).toBeUndefined();
    expect(deframer.fault).toBe(fault);
  });

  it("takes a message of the largest size", () => {
    const largest = Buffer.alloc(limits.messageMaxBytes, 7);
    const deframer = new GrpcDeframer(limits);
    expect(cut(deframer, piecesOf(framed(largest), [3, 40, 500]))).toEqual([largest]);
  });

  it("shares the bytes of a message within one chunk, and refuses the next chunk while bytes are unread", () => {
    const deframer = new GrpcDeframer(limits);
    const bytes = framed(Buffer.from("abc"));
    deframer.push(bytes);
    expect(() => deframer.push(bytes)).toThrow("has unread bytes");
    expect(deframer.next()?.buffer).toBe(bytes.buffer);
  });

  it("gives back what an incomplete message takes, while it grows and when nobody waits for it", () => {
    const messageBytes = 700 * 1024;
    const canary = Buffer.alloc(messageBytes, "canary");
    const deframer = new GrpcDeframer({ messageMaxBytes: messageBytes, firstAllocationMaxBytes: 64 * 1024 });
    for (const piece of piecesOf(framed(canary).subarray(0, -1), Array(40).fill(16 * 1024))) {
      expect(cut(deframer, [piece])).toEqual([]);
    }
    const outgrown = takeMemory(128 * 1024);
    expect(outgrown.indexOf("canary")).toBe(0);
    const { heldBytes } = deframer;
    expect(heldBytes).toBeGreaterThanOrEqual(messageBytes - 1);
    deframer.drop();
    expect(deframer.heldBytes).toBe(0);
    const dropped = takeMemory(heldBytes);
    expect(dropped.length).toBe(heldBytes);
    expect(dropped.indexOf("canary")).toBe(0);
  });

  it("gives nothing back of a message that it has returned", () => {
    const messageBytes = 300 * 1024;
    const sent = Buffer.alloc(messageBytes, "sent");
    const deframer = new GrpcDeframer({ messageMaxBytes: messageBytes, firstAllocationMaxBytes: 64 * 1024 });
    const pieces = piecesOf(framed(sent), Array(18).fill(16 * 1024));
    let message: Buffer | undefined;
    for (const piece of pieces) {
      deframer.push(piece);
      message = deframer.next();
    }
    deframer.drop();
    for (let taken = 0; taken < 4; taken++) takeMemory(messageBytes).fill(0);
    expect(message).toEqual(sent);
  });
});
