/** Answers that were cut off and that sockets still read: what they hold, and whose connection ends for them. */
import { expect, it } from "vitest";
import type { ListedCall } from "../../../src/server/calls/call-list.ts";
import type { CallSession } from "../../../src/server/calls/http2-stream.ts";
import { createOpenCalls } from "../../../src/server/calls/registry.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MIB = 2 ** 20;
const HELD_MAX_BYTES = 16 * MIB;
/** Of that, what connections share. */
const SHARED_MAX_BYTES = 12 * MIB;
const SECOND_MS = 1_000;

function start() {
  const clock = new ManualClock();
  const calls = createOpenCalls(clock, createNoTelemetry(), loudBoundary, {
    ...resolveTransportLimits({ heldMaxBytes: HELD_MAX_BYTES, connectionMaxHeldBytes: 8 * MIB }),
    receiveMaxBytes: MIB,
  });
  const ended: string[] = [];
  /** Cuts answers of a new connection off. `written`: its socket has written some of them. */
  const cutOff = (name: string, bytes: number) => {
    let leftBytes = 0;
    const add = (change: number) => {
      leftBytes += change;
      calls.memory.of(session).addUnread(change);
      calls.register.cutOff(session, change);
    };
    const session: CallSession & { destroyed: boolean } = {
      destroyed: false,
      ping: () => true,
      once: () => {},
      destroy() {
        this.destroyed = true;
        ended.push(name);
        add(-leftBytes);
      },
    };
    add(bytes);
    return { written: (part: number) => add(-part) };
  };
  const pass = (ms: number) => {
    for (let passedMs = 0; passedMs < ms; passedMs += 50) clock.advance(50);
  };
  return { calls, clock, ended, cutOff, pass, heldBytes: () => calls.memory.total.bytes };
}

it("count as held until they are written, and then leave nothing", () => {
  const { calls, ended, cutOff, pass, heldBytes } = start();
  const one = cutOff("one", 3 * MIB);
  pass(2 * SECOND_MS);
  expect(heldBytes()).toBe(3 * MIB);
  one.written(MIB);
  one.written(2 * MIB);
  expect([heldBytes(), ended, calls.stalledConnections]).toEqual([0, [], 0]);
  calls.close();
});

it("are not taken for a second while too much is held: their connections end, the longest first, until it is not", () => {
  const { calls, ended, cutOff, pass, heldBytes } = start();
  cutOff("first", 4 * MIB);
  pass(SECOND_MS / 2);
  cutOff("second", 4 * MIB);
  cutOff("third", 6 * MIB);
  pass(SECOND_MS / 4);
  expect(ended).toEqual([]);
  pass(SECOND_MS / 2);
  expect([ended, heldBytes()]).toEqual([["first"], 10 * MIB]);
  pass(10 * SECOND_MS);
  expect([ended, calls.stalledConnections]).toEqual([["first"], 1]);
  calls.close();
});

it("are taken slowly: their connections go on, however much is held", () => {
  const { calls, ended, cutOff, pass } = start();
  const slow = cutOff("slow", 8 * MIB);
  const idle = cutOff("idle", 6 * MIB);
  for (let part = 0; part < 3; part++) {
    pass(SECOND_MS / 2);
    slow.written(1);
    idle.written(0);
  }
  expect(ended).toEqual(["idle"]);
  calls.close();
});

it("leave the calls of others alone, which to cut would free no more", () => {
  const { calls, cutOff, pass } = start();
  let cut = false;
  const memory = calls.memory.of({});
  const stream = {
    session: undefined,
    closed: false,
    close: () => (cut = true),
    destroy: () => (cut = true),
  };
  const call: ListedCall = {
    method: { path: "/s/m", requestStream: false },
    streaming: false,
    stream,
    deadlineMs: Number.POSITIVE_INFINITY,
    span: undefined,
    session: undefined,
    startedMs: 0,
    halfClosed: true,
    answered: true,
    arrivingSinceMs: undefined,
    memory,
    principal: undefined,
    heldBytes: 4 * MIB,
    recount() {},
    sendingSinceMs: 0,
    older: undefined,
    newer: undefined,
    refuse: () => {
      cut = true;
    },
  };
  calls.register.begin(call, () => undefined);
  call.memory?.addAnswer(call.heldBytes);
  pass(SECOND_MS);
  const one = cutOff("one", SHARED_MAX_BYTES - 3 * MIB);
  pass(SECOND_MS / 2);
  expect(cut).toBe(false);
  one.written(SHARED_MAX_BYTES - 3 * MIB);
  calls.register.end(call, 0);
  calls.close();
});
