/** Who waits for a lease in one server, when the engine can be asked no more. */
import { expect, it } from "vitest";
import { limitExceeded } from "../../src/common/errors.ts";
import { systemRng } from "../../src/common/random.ts";
import type { LeaseResult } from "../../src/store/api/store.ts";
import { TierCounters } from "../../src/tier/counters.ts";
import { LeaseHolders } from "../../src/tier/lease-holders.ts";
import { Leases, type RunKeyed } from "../../src/tier/leases.ts";
import { ManualClock } from "../support/manual-clock.ts";

const COMMAND = { namespace: "n", key: "k", leaseMs: 5_000, waitMs: 1_000, holder: 0 };
const FULL = limitExceeded("tier_operations", "1");

/** Leases of a store, and what answers the latest ask. */
function startLeases() {
  const asks: ((error: Error) => void)[] = [];
  let isFull = false;
  const run: RunKeyed = (_on, _bytes, _read, settle) => {
    if (isFull) throw FULL;
    asks.push(settle);
    return { cancel() {} };
  };
  const leases = new Leases({
    clock: new ManualClock(),
    rng: systemRng,
    run,
    holders: new LeaseHolders(systemRng),
    counters: new TierCounters(),
    epoch: () => 1n,
  });
  const answers: (LeaseResult | Error)[] = [];
  return {
    leases,
    asks,
    answers,
    fill: (full: boolean) => {
      isFull = full;
    },
    ask: () => leases.ask(COMMAND, (result) => void answers.push(result), ""),
  };
}

it("who asks is told at once, and nobody waits behind", () => {
  const { leases, asks, answers, fill, ask } = startLeases();
  fill(true);
  expect(ask).toThrow(FULL);
  expect(leases.waiting).toBe(0);
  fill(false);
  ask();
  expect([leases.waiting, asks.length, answers]).toEqual([1, 1, []]);
});

it("who came while another ask was on its way is told why it is not asked for", () => {
  const { leases, asks, answers, fill, ask } = startLeases();
  const gone = new Error("the connection has ended");
  ask();
  ask();
  fill(true);
  asks.pop()?.(gone);
  expect(answers).toEqual([gone, FULL]);
  expect(leases.waiting).toBe(0);
});
