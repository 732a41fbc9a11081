import { setImmediate as nextTurn } from "node:timers/promises";
import { beforeEach, describe, expect, it } from "vitest";
import { quotaSpent } from "../../../src/common/errors.ts";
import type { ConnectionMemory } from "../../../src/server/limits/connection-memory.ts";
import { MemoryAccount } from "../../../src/server/limits/memory-account.ts";
import { createHeldTotal, type HeldTotal } from "../../../src/server/limits/quotas.ts";
import { checkRequestRoom } from "../../../src/server/limits/transport-limits.ts";
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

/** Memory of a principal in this thread alone. */
function createPrincipal(maxBytes = Number.POSITIVE_INFINITY) {
  let bytes = 0;
  return {
    get bytes() {
      return bytes;
    },
    maxBytes,
    add: (more: number) => {
      bytes += more;
    },
    refuse: () => quotaSpent("principal_held_bytes", maxBytes, 1_000),
  };
}

describe("the account of what the calls of principals hold", () => {
  it("is one for each principal on a connection", () => {
    const session = {};
    const [one, other] = [createPrincipal(), createPrincipal()];
    const memory = account.of(session, one);
    expect(account.of(session, one)).toBe(memory);
    expect(account.of(session, other)).toBe(account.of(session, other));
    expect(account.of(session, other)).not.toBe(memory);
    memory.addAnswer(5);
    account.of({}, one).addRequest(7);
    expect([one.bytes, other.bytes, total.bytes]).toEqual([12, 0, 12]);
  });

  it("has nothing of what is kept for new connections for the principal that holds most", () => {
    const [many, few] = [createPrincipal(), createPrincipal()];
    account.of({}, many).addAnswer(70 * MIB);
    expect(account.of({}, many).admitsAnswer()).toBe(true);
    account.of({}, few).addAnswer(26 * MIB);
    expect(account.of({}, many).admitsAnswer()).toBe(false);
    expect(account.of({}, few).admitsAnswer()).toBe(true);
    expect(account.of({}).admitsAnswer()).toBe(true);
  });

  it("ends at the bound of the principal, whatever the process has left", () => {
    const limited = createPrincipal(8 * MIB);
    const [one, other] = [account.of({}, limited), account.of({}, limited)];
    one.addAnswer(6 * MIB);
    expect([one.admitsAnswer(), other.admitsAnswer()]).toEqual([false, true]);
    other.addRequest(2 * MIB + 1);
    expect(other.admitsAnswer()).toBe(false);
    expect(other.refusalOf(MIB)?.detail).toEqual({ limit: "principal_held_bytes", bound: String(8 * MIB) });
    expect(other.refusalOf(4_096)).toBeUndefined();
    expect(account.of({}, createPrincipal()).admitsAnswer()).toBe(true);
  });
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

  it("lets a connection without answers have one until the process holds nearly its bound", () => {
    total.add((15 * MAX) / 16 - 1);
    expect(first.admitsAnswer()).toBe(true);
    first.addAnswer(MIB);
    expect([first.admitsAnswer(), second.admitsAnswer()]).toEqual([false, false]);
  });

  it("keeps the last of the memory for connections whose answers have been small", () => {
    first.addAnswer(100);
    second.addAnswer(MIB);
    for (const [memory, bytes] of [
      [first, 100],
      [second, MIB],
    ] as const)
      memory.addAnswer(-bytes);
    total.add(MAX - 1);
    expect([first.admitsAnswer(), second.admitsAnswer(), account.of({}).admitsAnswer()]).toEqual([
      true,
      false,
      false,
    ]);
    total.add(1);
    expect(first.admitsAnswer()).toBe(false);
  });

  it("keeps the last of the memory for connections whose latest answer was small, and forgets larger ones before it", () => {
    const take = (memory: ConnectionMemory, bytes: number) => {
      memory.addAnswer(bytes);
      memory.addAnswer(-bytes);
    };
    for (const bytes of [100, MIB]) take(first, bytes);
    for (const bytes of [MIB, 64 * 1024]) take(second, bytes);
    total.add(MAX - 1);
    expect([first.admitsAnswer(), second.admitsAnswer()]).toEqual([false, true]);
    take(first, 100);
    expect(first.admitsAnswer()).toBe(true);
  });

  it("has memory for small answers when many connections hold what they can of large ones that nobody reads", () => {
    const hostile = Array.from({ length: 200 }, () => account.of({}));
    for (const connection of hostile) connection.addAnswer(MIB);
    for (const connection of hostile) connection.addAnswer(-MIB);
    first.addAnswer(MIB);
    first.addAnswer(-MIB);
    first.addAnswer(100);
    first.addAnswer(-100);
    for (const connection of hostile) while (connection.admitsAnswer()) connection.addAnswer(MIB / 4);
    expect(total.bytes).toBeGreaterThanOrEqual((3 * MAX) / 4);
    total.add((15 * MAX) / 16 - total.bytes);
    expect([first.admitsAnswer(), hostile.some((connection) => connection.admitsAnswer())]).toEqual([
      true,
      false,
    ]);
  });

  it("lets a connection whose peer takes its answers have some at a time, when others hold what they can", () => {
    total.add((3 * MAX) / 4);
    first.addAnswer(64 * 1024);
    expect(first.admitsAnswer()).toBe(true);
    first.addAnswer(1);
    expect(first.admitsAnswer()).toBe(false);
  });

  it("keeps memory for answers when each of many connections holds a request", () => {
    const connections = Array.from({ length: 100 }, () => account.of({}));
    for (const connection of connections) {
      connection.addRequest(2 * MIB);
      if (connection.refusalOf(2 * MIB) !== undefined) connection.addRequest(-2 * MIB);
    }
    expect(total.bytes).toBeGreaterThan((3 * MAX) / 4);
    expect(total.bytes).toBeLessThanOrEqual((7 * MAX) / 8);
    expect(first.admitsAnswer()).toBe(true);
  });

  it("runs calls that waited for memory as long as the turn has room, also one of each connection", async () => {
    const { turns } = account;
    let ran = 0;
    for (let index = 0; index < 20; index++)
      account.of({}).wait(() => {
        ran += 1;
        turns.spend(MIB / 4);
      });
    account.retry();
    expect(ran).toBe(4);
    await nextTurn();
    await nextTurn();
    expect(ran).toBeGreaterThan(4);
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

  it("has room for the largest request that it lets a server allow, and the frame around it", () => {
    const [most, toHold] = [Math.floor((7 * MAX) / 8), { connectionMaxHeldBytes: MAX, heldMaxBytes: MAX }];
    checkRequestRoom(most, toHold);
    const memory = new MemoryAccount(toHold, total, loudBoundary).of({});
    memory.addRequest(most + 5);
    expect(memory.refusalOf(most + 5)).toBeUndefined();
    memory.addRequest(1);
    expect(memory.refusalOf(most + 6)?.detail).toEqual({ limit: "held_bytes", bound: String(most) });
    memory.addRequest(-most - 6);

    checkRequestRoom(MIB, { connectionMaxHeldBytes: MIB, heldMaxBytes: MAX });
    const small = new MemoryAccount(
      { connectionMaxHeldBytes: MIB, heldMaxBytes: MAX },
      total,
      loudBoundary,
    ).of({});
    small.addRequest(MIB + 5);
    expect(small.refusalOf(MIB + 5)).toBeUndefined();
    small.addRequest(1);
    expect(small.refusalOf(MIB + 6)?.detail).toEqual({ limit: "connection_held_bytes", bound: String(MIB) });
  });

  it("refuses to allow a request for which it has no room, naming both limits", () => {
    expect(() => checkRequestRoom(MIB + 1, { connectionMaxHeldBytes: MIB, heldMaxBytes: MAX })).toThrow(
      new RangeError("receiveMaxBytes (1048577) must not exceed connectionMaxHeldBytes (1048576)"),
    );
    expect(() => checkRequestRoom(MAX, { connectionMaxHeldBytes: MAX, heldMaxBytes: MAX })).toThrow(
      new RangeError(
        "receiveMaxBytes (134217728) must not exceed seven eighths of heldMaxBytes (134217728), 117440512",
      ),
    );
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
