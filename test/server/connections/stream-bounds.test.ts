/** Under pressure, connections whose calls make others wait are told of fewer streams; nobody else is. */
import { beforeEach, describe, expect, it } from "vitest";
import type { CallSession } from "../../../src/server/calls/http2-stream.ts";
import { StreamBounds } from "../../../src/server/connections/stream-bounds.ts";
import { Throughput } from "../../../src/server/limits/throughput.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

const MAX_STREAMS = 100;
const WAIT_MAX_MS = 50;

class Connection implements CallSession {
  readonly told: number[] = [];
  destroyed = false;
  waiting = 0;
  streaming = 0;
  readonly closed: () => void;

  constructor() {
    this.closed = bounds.add(this, (streams) => this.told.push(streams));
  }

  ping(): boolean {
    return true;
  }
  once(): void {}
  destroy(): void {
    this.destroyed = true;
  }
}

let throughput: Throughput;
let bounds: StreamBounds;
let nowMs: number;
beforeEach(() => {
  nowMs = 0;
  throughput = new Throughput(WAIT_MAX_MS, nowMs);
  const countOf = (session: CallSession, count: "waiting" | "streaming") =>
    session instanceof Connection ? session[count] : 0;
  bounds = new StreamBounds({
    limits: { connectionMaxStreams: MAX_STREAMS },
    boundary: loudBoundary,
    throughput,
    register: {
      waitingCallsOf: (session) => countOf(session, "waiting"),
      streamingCallsOf: (session) => countOf(session, "streaming"),
    },
  });
});

/** `calls` have ended within the longest wait, and the oldest waits for much longer, or for nothing. */
function look(calls: number, isLong = true): void {
  for (let call = 0; call < calls; call++) throughput.ended();
  nowMs += WAIT_MAX_MS;
  throughput.check(nowMs, isLong ? 10 * WAIT_MAX_MS : 0);
}

describe("StreamBounds", () => {
  it("tells those with more than half of the streams waiting, who share what ends in time", () => {
    const [many, other, few] = [new Connection(), new Connection(), new Connection()];
    many.waiting = MAX_STREAMS / 2 + 1;
    other.waiting = MAX_STREAMS;
    few.waiting = MAX_STREAMS / 2;
    look(60);
    expect([many.told, other.told, few.told]).toEqual([[30], [30], []]);
  });

  it("tells them of 8 unary calls at least, beside their streaming ones, and of no more than the limit", () => {
    const [slow, streaming] = [new Connection(), new Connection()];
    slow.waiting = MAX_STREAMS;
    streaming.waiting = MAX_STREAMS;
    streaming.streaming = MAX_STREAMS - 1;
    look(0);
    expect([slow.told, streaming.told]).toEqual([[8], [MAX_STREAMS]]);
  });

  it("tells them of more again without pressure, and of the limit at the end, once", () => {
    const many = new Connection();
    many.waiting = MAX_STREAMS;
    look(20);
    many.waiting = 0;
    for (let looks = 0; looks < 100; looks++) look(0, false);
    expect([many.told[0], many.told.at(-1)]).toEqual([20, MAX_STREAMS]);
    expect(many.told.toSorted((left, right) => left - right)).toEqual(many.told);
    const { length } = many.told;
    const next = new Connection();
    next.waiting = MAX_STREAMS;
    look(30);
    expect([many.told.length, next.told]).toEqual([length, [30]]);
  });

  it("tells nobody who is gone, and shares with nobody who is", () => {
    const [gone, destroyed, left] = [new Connection(), new Connection(), new Connection()];
    for (const one of [gone, destroyed, left]) one.waiting = MAX_STREAMS;
    gone.closed();
    destroyed.destroy();
    look(60);
    expect([gone.told, destroyed.told, left.told]).toEqual([[], [], [30]]);
    destroyed.closed();
    look(50);
    expect(left.told).toEqual([30, 50]);
  });
});
