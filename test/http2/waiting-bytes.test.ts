/** Bytes that leave in parts are their sender's again once, when the socket has written what it was given of them. */
import { beforeEach, describe, expect, it } from "vitest";
import { WaitingBytes } from "../../src/http2/waiting-bytes.ts";

let told: unknown[];
let waiting: WaitingBytes;
beforeEach(() => {
  told = [];
  waiting = new WaitingBytes(Buffer.alloc(100), (error) => told.push(error));
});

describe("WaitingBytes", () => {
  it("are given back when the last part was written", () => {
    const [first, last] = [waiting.send(60, false), waiting.send(40, true)];
    expect(waiting.isSent).toBe(true);
    first?.();
    expect(told).toEqual([]);
    last?.();
    expect(told).toEqual([undefined]);
  });

  it("are given back at once when none of them was sent", () => {
    waiting.drop();
    expect(told).toMatchObject([{ message: "the stream is over" }]);
  });

  it("are given back when what is read in place is written, although the rest is not sent", () => {
    const [first, second] = [waiting.send(10, false), waiting.send(10, false)];
    waiting.drop();
    first?.();
    expect(told).toEqual([]);
    second?.();
    expect(told).toMatchObject([{ message: "the stream is over" }]);
  });

  it("are given back at once when what was sent of them was copied", () => {
    expect([waiting.send(10, true), waiting.send(10, true)]).toEqual([undefined, undefined]);
    waiting.drop();
    expect(told).toMatchObject([{ message: "the stream is over" }]);
  });

  it("are given back with the error of the socket", () => {
    const error = new Error("the connection is broken");
    waiting.send(100, false)?.(error);
    expect(told).toEqual([error]);
  });
});
