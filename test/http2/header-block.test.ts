/** Header blocks of many streams: the table of headers is the connection's, whatever is wrong with a stream. */
import { describe, expect, it } from "vitest";
import { flag, frameType } from "../../src/http2/frame.ts";
import { HeaderBlock } from "../../src/http2/header-block.ts";
import { HpackEncoder } from "../support/hpack-encoder.ts";

const TABLE_BYTES = 4_096;
const LIMITS = { maxBytes: 1_000, maxPairs: 3 };
const FIRST_DYNAMIC = Buffer.of(0xbe);

const encoder = () => new HpackEncoder(TABLE_BYTES);
const head = (streamId: number, flags: number, body: Buffer, type: number = frameType.headers) => ({
  type,
  flags,
  streamId,
  bodyBytes: body.length,
});

function priority(parent: number): Buffer {
  const bytes = Buffer.alloc(5);
  bytes.writeUInt32BE(parent);
  return bytes;
}

function begin(blocks: HeaderBlock, streamId: number, body: Buffer, flags: number = flag.endHeaders) {
  return blocks.begin(head(streamId, flags, body), body);
}

function goOn(blocks: HeaderBlock, streamId: number, body: Buffer, flags: number = flag.endHeaders) {
  return blocks.continue(head(streamId, flags, body, frameType.continuation), body);
}

const faultOf = (state: ReturnType<typeof begin>) => (state.kind === "fault" ? state.fault : undefined);
const added = encoder().field(["x", "y"], "added", false);
const XY = { kind: "whole", fields: [["x", "y"]], isLast: false };

describe("header blocks", () => {
  it("are put into the table although their stream depends on itself", () => {
    const blocks = new HeaderBlock(LIMITS, TABLE_BYTES);
    const body = Buffer.concat([priority(7), added]);
    expect(faultOf(begin(blocks, 7, body, flag.endHeaders | flag.priority))).toMatchObject({
      what: "a stream that depends on itself",
      scope: "stream",
    });
    expect(begin(blocks, 9, FIRST_DYNAMIC)).toEqual(XY);
  });

  it("are read as a whole before the fault of their stream is told", () => {
    const blocks = new HeaderBlock(LIMITS, TABLE_BYTES);
    const body = Buffer.concat([priority(7), added.subarray(0, 2)]);
    expect(begin(blocks, 7, body, flag.priority)).toEqual({ kind: "continues" });
    expect(faultOf(goOn(blocks, 7, added.subarray(2)))).toMatchObject({ scope: "stream" });
    expect(blocks.continues).toBe(false);
    expect(begin(blocks, 9, FIRST_DYNAMIC)).toEqual(XY);
  });

  it("of a stream that depends on itself end the connection when they cannot be decoded", () => {
    const body = Buffer.concat([priority(7), FIRST_DYNAMIC]);
    const state = begin(new HeaderBlock(LIMITS, TABLE_BYTES), 7, body, flag.endHeaders | flag.priority);
    expect(faultOf(state)).toMatchObject({ what: "headers that cannot be decoded", scope: "connection" });
  });

  it("may depend on another stream, the first one too", () => {
    const blocks = new HeaderBlock(LIMITS, TABLE_BYTES);
    for (const parent of [0, 1, 5]) {
      const body = Buffer.concat([priority(parent), added]);
      expect(begin(blocks, 7, body, flag.endHeaders | flag.priority)).toEqual(XY);
    }
  });

  it("are put into the table although they are beyond their limits", () => {
    const blocks = new HeaderBlock(LIMITS, TABLE_BYTES);
    const write = encoder();
    const many = ["a", "b", "c", "d", "x"].map((name) => write.field([name, "y"], "added", false));
    expect(faultOf(begin(blocks, 1, Buffer.concat(many)))).toMatchObject({
      what: "headers beyond their limits",
      scope: "stream",
    });
    expect(begin(blocks, 3, FIRST_DYNAMIC)).toEqual(XY);
  });

  it("have no table where it has no room", () => {
    const blocks = new HeaderBlock(LIMITS, 0);
    expect(begin(blocks, 1, added)).toEqual(XY);
    expect(faultOf(begin(blocks, 1, FIRST_DYNAMIC))).toMatchObject({ scope: "connection" });
  });

  it("keep their bytes from frame to frame, although the reader writes over them", () => {
    const blocks = new HeaderBlock(LIMITS, TABLE_BYTES);
    const first = Buffer.from(added.subarray(0, 3));
    expect(begin(blocks, 1, first, 0)).toEqual({ kind: "continues" });
    first.fill(0);
    expect(goOn(blocks, 1, added.subarray(3))).toEqual(XY);
  });
});
