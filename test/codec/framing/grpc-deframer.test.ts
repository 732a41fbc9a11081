/** Messages are cut out of a stream however its bytes come in pieces. */
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { MessageSplitter } from "../../../src/codec/framing/grpc-deframer.ts";
import { framed } from "../../support/raw-grpc.ts";

const limits = { messageMaxBytes: 1_000, unprovenMaxBytes: 16 };

function cut(splitter: MessageSplitter, pieces: readonly Buffer[]): Buffer[] {
  const messages: Buffer[] = [];
  for (const piece of pieces) {
    splitter.push(piece);
    for (let message = splitter.next(); message !== undefined; message = splitter.next()) {
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

describe("MessageSplitter", () => {
  it("gives the messages that went in, in whatever pieces they come", () => {
    const messages = fc.array(fc.uint8Array({ maxLength: 200 }), { maxLength: 12 });
    const lengths = fc.array(fc.nat({ max: 90 }), { maxLength: 40 });
    fc.assert(
      fc.property(messages, lengths, (sent, pieceLengths) => {
        const splitter = new MessageSplitter(limits);
        const bytes = Buffer.concat(sent.map((message) => framed(message)));
        const cutOut = cut(splitter, piecesOf(bytes, pieceLengths));
        expect(cutOut).toEqual(sent.map((message) => Buffer.from(message)));
        expect(splitter.between).toBe(true);
        expect(splitter.fault).toBeUndefined();
      }),
    );
  });

  it("stands between two messages only where one ends", () => {
    const splitter = new MessageSplitter(limits);
    const bytes = framed(Buffer.from("abc"));
    expect(splitter.between).toBe(true);
    for (let at = 0; at < bytes.length - 1; at++) {
      expect(cut(splitter, [bytes.subarray(at, at + 1)])).toEqual([]);
      expect(splitter.between).toBe(false);
    }
    expect(cut(splitter, [bytes.subarray(-1)])).toEqual([Buffer.from("abc")]);
    expect(splitter.between).toBe(true);
  });

  it.each([
    ["tooLarge", framed(Buffer.alloc(3), 0, 1_001)],
    ["compressed", framed(Buffer.alloc(3), 1)],
  ])("ends with the fault %s, after the messages before it", (fault, bad) => {
    const splitter = new MessageSplitter(limits);
    const good = framed(Buffer.from("good"));
    splitter.push(Buffer.concat([good, bad, good]));
    expect(splitter.next()).toEqual(Buffer.from("good"));
    expect(splitter.next()).toBeUndefined();
    expect(splitter.next()).toBeUndefined();
    expect(splitter.fault).toBe(fault);
  });

  it("takes a message of the largest size", () => {
    const largest = Buffer.alloc(limits.messageMaxBytes, 7);
    const splitter = new MessageSplitter(limits);
    expect(cut(splitter, piecesOf(framed(largest), [3, 40, 500]))).toEqual([largest]);
  });

  it("shares the bytes of a message that came in one piece, and does not take more before they are cut", () => {
    const splitter = new MessageSplitter(limits);
    const bytes = framed(Buffer.from("abc"));
    splitter.push(bytes);
    expect(() => splitter.push(bytes)).toThrow("not cut to the end");
    expect(splitter.next()?.buffer).toBe(bytes.buffer);
  });
});
