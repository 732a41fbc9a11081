import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { type ConnectionMemory, MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal, type HeldTotal } from "../../../src/server/limits/quotas.ts";
import { loudBoundary } from "../../support/loud-boundary.ts";

const MIB = 2 ** 20;
const MAX = 128 * MIB;
let total: HeldTotal;
let account: MemoryAccount;
let first: ConnectionMemory;
let second: ConnectionMemory;

beforeEach(() => {
  total = createHeldTotal();
  account = new MemoryAccount({ connectionMaxHeldBytes: 32 * MIB, heldMaxBytes: MAX }, total, loudBoundary);
  first = account.of({});
  second = account.of({});
});

describe("A3: the account of what calls hold", () => {
  it("is one for each session", () => {
    const session = {};
    expect(account.of(session)).toBe(account.of(session));
    expect(account.of(session)).not.toBe(first);
  });

  it("admits no further answer of a connection that holds its bound", () => {
    first.addAnswer(32 * MIB - 1);
    expect(first.admitsAnswer()).toBe(true);
    first.addAnswer(1);
    expect(first.admitsAnswer()).toBe(false);
    expect(second.admitsAnswer()).toBe(true);
    first.addAnswer(-1);
    expect(first.admitsAnswer()).toBe(true);
  });

  it("gives each of many connections as much as is still free, and leaves room for the next", () => {
    const connections = Array.from({ length: 40 }, () => account.of({}));
    for (const connection of connections) while (connection.admitsAnswer()) connection.addAnswer(MIB / 4);
    const held = connections.map(({ heldBytes }) => heldBytes);
    expect(total.bytes).toBeLessThan(MAX);
    expect(Math.min(...held)).toBeGreaterThan(0);
    expect(second.admitsAnswer()).toBe(true);
  });

  it("lets a connection without answers have one until the process holds its bound", () => {
    total.add(MAX - 1);
    expect(first.admitsAnswer()).toBe(true);
    first.addAnswer(1);
    expect([first.admitsAnswer(), second.admitsAnswer()]).toEqual([false, false]);
  });

  it("refuses large requests, and never small ones, when there is no memory", () => {
    first.addRequest(33 * MIB);
    expect(first.refusalOf(MIB)?.detail).toMatchObject({ limit: "connection_held_bytes" });
    expect(first.refusalOf(4_096)).toBeUndefined();
    total.add(MAX);
    second.addRequest(MIB);
    expect(second.refusalOf(MIB)?.detail).toMatchObject({ limit: "held_bytes" });
    expect(account.refusals).toBe(2);
  });

  it("runs the calls that wait in turns of their connections, as far as there is memory", async () => {
    const ran: string[] = [];
    const wait = (memory: ConnectionMemory, name: string) =>
      memory.wait(() => {
        ran.push(name);
        memory.addAnswer(16 * MIB);
      });
    for (const memory of [first, second]) memory.addAnswer(32 * MIB);
    for (const name of ["a", "b", "c"]) wait(first, name);
    for (const name of ["A", "B", "C"]) wait(second, name);
    await nextTurn();
    expect(ran).toEqual([]);
    for (const memory of [first, second]) memory.addAnswer(-32 * MIB);
    await nextTurn();
    expect(ran).toEqual(["a", "A", "b", "B"]);
    first.addAnswer(-16 * MIB);
    await nextTurn();
    expect(ran).toEqual(["a", "A", "b", "B", "c"]);
  });
});
