/** Answers that were cut off and that sockets still read: what they hold, and whose connection ends for them. */
import { afterEach, beforeEach, expect, it } from "vitest";
import { limitExceeded } from "../../../src/common/errors.ts";
import type { HeldMemory } from "../../../src/security/access/meter.ts";
import type { ListedCall } from "../../../src/server/calls/call-list.ts";
import type { CallSession } from "../../../src/server/calls/http2-stream.ts";
import { createOpenCalls, type OpenCalls } from "../../../src/server/calls/registry.ts";
import type { ConnectionMemory } from "../../../src/server/limits/connection-memory.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const MIB = 2 ** 20;
const HELD_MAX_BYTES = 16 * MIB;
const STALL_MAX_MS = 4_000;
const SECOND_MS = 1_000;

let clock: ManualClock;
let calls: OpenCalls;

beforeEach(() => {
  clock = new ManualClock();
  const limits = { heldMaxBytes: HELD_MAX_BYTES, connectionMaxHeldBytes: 8 * MIB, stallMaxMs: STALL_MAX_MS };
  const transport = resolveTransportLimits(limits);
  calls = createOpenCalls(clock, createNoTelemetry(), loudBoundary, { ...transport, receiveMaxBytes: MIB });
});
afterEach(() => calls.close());

const heldBytes = () => calls.memory.total.bytes;
const pass = (ms: number) => {
  for (let passedMs = 0; passedMs < ms; passedMs += 50) clock.advance(50);
};

class Connection implements CallSession {
  destroyed = false;
  takenBytes = 0;
  readonly memory: ConnectionMemory;

  constructor(principal?: HeldMemory) {
    this.memory = calls.memory.of(this, principal);
  }

  /** Answers are cut off. Negative: its socket has written so many bytes of them. */
  cutOff(bytes: number): void {
    this.memory.addUnread(bytes);
    calls.register.cutOff(this, this.memory.principal, bytes);
  }

  ping(): boolean {
    return true;
  }

  once(): void {}

  /** What its socket still reads is free later. */
  destroy(): void {
    this.destroyed = true;
  }
}

/** A call whose peer does not take its answer. */
function stuckCall(connection: Connection, bytes: number): { readonly isCut: boolean } {
  const state = { isCut: false };
  const cut = () => {
    if (state.isCut) return;
    state.isCut = true;
    calls.register.end(call, 0);
    connection.memory.addAnswer(-bytes);
    // Its socket reads a part of it.
    connection.cutOff(bytes);
  };
  const call: ListedCall = {
    method: { path: "/s/m", requestStream: false },
    streaming: false,
    stream: { session: connection, closed: false, close: cut, destroy: cut },
    deadlineMs: Number.POSITIVE_INFINITY,
    span: undefined,
    session: undefined,
    startedMs: 0,
    halfClosed: true,
    answered: true,
    arrivingSinceMs: undefined,
    memory: undefined,
    principal: undefined,
    heldBytes: bytes,
    recount() {},
    sendingSinceMs: clock.nowMs(),
    older: undefined,
    newer: undefined,
    refuse: cut,
  };
  calls.register.begin(call, () => undefined);
  call.memory = connection.memory;
  connection.memory.addAnswer(bytes);
  return state;
}

it("count as held until they are written, and then leave nothing", () => {
  const one = new Connection();
  one.cutOff(3 * MIB);
  pass(SECOND_MS);
  expect(heldBytes()).toBe(3 * MIB);
  one.cutOff(-MIB);
  one.cutOff(-2 * MIB);
  pass(2 * STALL_MAX_MS);
  expect([heldBytes(), one.destroyed, calls.stalledConnections]).toEqual([0, false, 0]);
});

it("end the connections whose sockets take nothing for stallMaxMs, once, and no others", () => {
  const [stuck, slow] = [new Connection(), new Connection()];
  stuck.cutOff(MIB);
  slow.cutOff(MIB);
  for (let passedMs = 0; passedMs < 2 * STALL_MAX_MS; passedMs += SECOND_MS) {
    pass(SECOND_MS);
    slow.takenBytes += 1;
  }
  expect([stuck.destroyed, slow.destroyed, calls.stalledConnections]).toEqual([true, false, 1]);
});

it("do not have the calls of others cut, which would free no more", () => {
  const [one, other] = [new Connection(), new Connection()];
  const call = stuckCall(other, 4 * MIB);
  one.cutOff(HELD_MAX_BYTES - 5 * MIB);
  pass(2 * SECOND_MS);
  expect(call.isCut).toBe(false);
});

it("do not have the other calls of their principal cut", () => {
  const principal = {
    bytes: 0,
    maxBytes: 8 * MIB,
    add(bytes: number) {
      this.bytes += bytes;
    },
    refuse: () => limitExceeded("principal_held_bytes", "8"),
  };
  const stuck = [3, 3, 2].map((size) => stuckCall(new Connection(principal), size * MIB));
  pass(STALL_MAX_MS - 2 * SECOND_MS);
  expect(stuck.map(({ isCut }) => isCut)).toEqual([true, false, false]);
});
