/** Asking again and again: one call at a time, slower after failures, nothing after the end. */
import { Code, ConnectError } from "@connectrpc/connect";
import { describe, expect, it } from "vitest";
import { createPoll } from "../../src/console/data/poll.ts";
import { toProblem } from "../../src/console/data/problem.ts";
import { createManualSchedule, settle } from "./manual-schedule.ts";

function setup() {
  const manual = createManualSchedule();
  const calls: { signal: AbortSignal; answer: (value: number) => void; fail: (cause: unknown) => void }[] =
    [];
  const poll = createPoll<number>({
    read: (signal) =>
      new Promise<number>((resolve, reject) => {
        calls.push({ signal, answer: resolve, fail: reject });
      }),
    intervalMs: 1_000,
    schedule: manual.schedule,
  });
  return { manual, calls, poll };
}

describe("createPoll()", () => {
  it("asks again one interval after each answer", async () => {
    const { manual, calls, poll } = setup();
    poll.start();
    expect(calls).toHaveLength(1);
    expect(manual.delaysMs()).toEqual([]);
    calls[0]?.answer(7);
    await settle();
    expect(poll.answer.value).toBe(7);
    expect(manual.delaysMs()).toEqual([1_000]);
    await manual.next();
    expect(calls).toHaveLength(2);
  });

  it("keeps the last answer beside a problem, and waits longer after each failure, up to a bound", async () => {
    const { manual, calls, poll } = setup();
    poll.start();
    calls[0]?.answer(7);
    await settle();
    const delaysMs: number[] = [];
    for (let failure = 1; failure <= 5; failure += 1) {
      await manual.next();
      calls[failure]?.fail(new ConnectError("down", Code.Unavailable));
      await settle();
      delaysMs.push(...manual.delaysMs());
    }
    expect(delaysMs).toEqual([1_000, 2_000, 4_000, 5_000, 5_000]);
    expect(poll.answer.value).toBe(7);
    expect(poll.problem.value?.kind).toBe("unreachable");
    await manual.next();
    calls[6]?.answer(8);
    await settle();
    expect([poll.problem.value, poll.answer.value]).toEqual([undefined, 8]);
  });

  it("aborts its call at its end, and asks no more", async () => {
    const { manual, calls, poll } = setup();
    const end = poll.start();
    end();
    expect(calls[0]?.signal.aborted).toBe(true);
    calls[0]?.answer(7);
    await settle();
    expect([poll.answer.value, manual.delaysMs()]).toEqual([undefined, []]);
    poll.refresh();
    expect(calls).toHaveLength(1);
  });

  it("asks at once when it is told to, and never twice at a time", async () => {
    const { manual, calls, poll } = setup();
    poll.start();
    poll.refresh();
    expect(calls).toHaveLength(1);
    calls[0]?.answer(1);
    await settle();
    poll.refresh();
    expect([calls.length, manual.delaysMs()]).toEqual([2, []]);
  });
});

describe("toProblem()", () => {
  it.each([
    [new ConnectError("", Code.Unauthenticated), "unauthenticated"],
    [new ConnectError("", Code.PermissionDenied), "denied"],
    [new ConnectError("", Code.InvalidArgument), "refused"],
    [new ConnectError("", Code.Unimplemented), "failed"],
    [new ConnectError("", Code.Internal), "failed"],
    [new ConnectError("", Code.Unavailable), "unreachable"],
    [new TypeError("Failed to fetch"), "unreachable"],
    [new DOMException("late", "TimeoutError"), "unreachable"],
  ])("says of %s that it is %s", (cause, kind) => {
    expect(toProblem(cause).kind).toBe(kind);
  });
});
