/** The register of open calls: that every waiter learns that none is left, and that many ends do not come in one turn. */
import { setImmediate as nextTurn } from "node:timers/promises";
import { status } from "@grpc/grpc-js";
import { expect, it } from "vitest";
import type { ListedCall } from "../../../src/server/calls/call-list.ts";
import { createOpenCalls, type OpenCalls } from "../../../src/server/calls/registry.ts";
import { resolveTransportLimits } from "../../../src/server/limits/transport-limits.ts";
import { ERROR_WORK_BYTES, LEFT_CALL_WORK_BYTES } from "../../../src/server/limits/work.ts";
import { createNoTelemetry } from "../../../src/telemetry/no-telemetry.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const openCalls = (clock: ManualClock, turnMaxBytes?: number): OpenCalls =>
  createOpenCalls(clock, createNoTelemetry(), loudBoundary, {
    ...resolveTransportLimits(turnMaxBytes === undefined ? {} : { turnMaxBytes }),
    receiveMaxBytes: 1_024,
  });

const callOf = (refuse: () => void): ListedCall => ({
  method: { path: "/s/m", requestStream: false },
  streaming: false,
  stream: { session: undefined, closed: false, close: () => {}, destroy: () => {} },
  deadlineMs: Number.POSITIVE_INFINITY,
  span: undefined,
  session: undefined,
  startedMs: 0,
  halfClosed: true,
  answered: false,
  arrivingSinceMs: undefined,
  memory: undefined,
  principal: undefined,
  heldBytes: 0,
  recount() {},
  sendingSinceMs: undefined,
  older: undefined,
  newer: undefined,
  refuse,
});

it("emptied() resolves for each of those who wait for it", async () => {
  const calls = openCalls(new ManualClock());
  const call = callOf(() => {});
  calls.register.begin(call, () => undefined);
  const waiting = Promise.all([calls.emptied(), calls.emptied()]);
  calls.register.end(call, 0);
  await waiting;
  await calls.emptied();
  calls.close();
});

it("A4: ends calls whose time is over in turns, each of them once", async () => {
  const clock = new ManualClock();
  const turnErrors = 4;
  const calls = openCalls(clock, turnErrors * ERROR_WORK_BYTES);
  const COUNT = 20;
  const refused: number[] = [];
  for (let index = 0; index < COUNT; index++) {
    const call = callOf(() => {
      refused.push(index);
      calls.memory.turns.spend(ERROR_WORK_BYTES);
      calls.register.end(call, 4);
    });
    calls.register.begin(call, () => undefined);
  }
  clock.advance(resolveTransportLimits().callMaxMs - 250);
  await nextTurn();
  await nextTurn();
  clock.advance(250);
  expect(refused.length).toBeLessThanOrEqual(turnErrors);
  let turns = 1;
  for (let before = refused.length; refused.length < COUNT; before = refused.length) {
    await nextTurn();
    expect(refused.length - before).toBeLessThanOrEqual(turnErrors);
    turns += 1;
    expect(turns).toBeLessThan(50);
  }
  expect(refused).toEqual(Array.from({ length: COUNT }, (_, index) => index));
  calls.close();
});

it("A4: counts the ends of calls that their peer has left as work of the turn", async () => {
  const COUNT = 16;
  const calls = openCalls(new ManualClock(), COUNT * LEFT_CALL_WORK_BYTES);
  const begun = Array.from({ length: 2 * COUNT }, (_, index) => {
    const call = callOf(() => {});
    call.answered = index < COUNT;
    calls.register.begin(call, () => undefined);
    return call;
  });
  await nextTurn();
  for (const call of begun.slice(0, -1)) calls.register.end(call, status.CANCELLED);
  expect(calls.memory.turns.over).toBe(false);
  for (const call of begun) calls.register.end(call, status.CANCELLED);
  expect(calls.memory.turns.over).toBe(true);
  calls.close();
});

it("A4: ends the calls of connections that end together in shared turns", async () => {
  const calls = openCalls(new ManualClock(), 16 * LEFT_CALL_WORK_BYTES);
  const CONNECTIONS = 40;
  let ended = 0;
  for (let connection = 0; connection < CONNECTIONS; connection++) {
    const session = { destroyed: true, ping: () => false, once: () => {}, destroy: () => {} };
    calls.register.inTurn(session, () => {
      calls.register.spend(LEFT_CALL_WORK_BYTES);
      ended += 1;
    });
  }
  const endedIn = [ended];
  while (ended < CONNECTIONS) {
    const before = ended;
    await nextTurn();
    endedIn.push(ended - before);
    expect(endedIn.length).toBeLessThan(50);
  }
  expect(Math.max(...endedIn)).toBe(16);
  calls.close();
});
