/** How many unary calls may be under way, by how many end and how long they wait. */
import { beforeEach, describe, expect, it } from "vitest";
import { Throughput } from "../../../src/server/limits/throughput.ts";

const LOOK_MS = 250;
let throughput: Throughput;
let nowMs: number;
let changes: number[];

beforeEach(() => {
  nowMs = 0;
  changes = [];
  throughput = new Throughput(50, nowMs);
  throughput.whenChanged(() => changes.push(throughput.callsMax));
});

function look(callsPerSecond: number, oldestWaitMs: number): void {
  nowMs += LOOK_MS;
  for (let call = 0; call < (callsPerSecond * LOOK_MS) / 1_000; call++) throughput.ended();
  throughput.check(nowMs, oldestWaitMs);
}

describe("A8: the calls that may be under way", () => {
  it("are not bounded while none waits long, however many end", () => {
    for (let round = 0; round < 10; round++) look(20_000, 49);
    expect([throughput.callsMax, changes]).toEqual([Number.POSITIVE_INFINITY, []]);
  });

  it("are not bounded for one long wait, unless it is much too long", () => {
    look(20_000, 200);
    look(20_000, 0);
    expect(throughput.callsMax).toBe(Number.POSITIVE_INFINITY);
    look(20_000, 201);
    expect(throughput.callsMax).toBe(1_000);
  });

  it("are as many as end within the longest wait, when waits stay long", () => {
    look(20_000, 500);
    look(20_000, 500);
    expect(throughput.callsMax).toBe(1_000);
  });

  it("are some in any case", () => {
    look(0, 500);
    look(0, 500);
    expect(throughput.callsMax).toBe(16);
  });

  it("grow when no call waits long any more, until nothing bounds them", () => {
    look(20_000, 500);
    look(20_000, 500);
    look(20_000, 0);
    expect(throughput.callsMax).toBe(1_250);
    for (let round = 0; round < 40; round++) look(20_000, 0);
    expect(throughput.callsMax).toBe(Number.POSITIVE_INFINITY);
    const changed = changes.length;
    look(20_000, 0);
    expect(changes.length).toBe(changed);
  });
});
