/** The batches of a stream: what settling one call throws harms no other call. */
import { describe, expect, it } from "vitest";
import type { Operation } from "../../../gen/meshcache/v1/cache_pb.ts";
import { NOT_COVERED } from "../../../src/client/coherence/coherence.ts";
import { Call, CallPlan } from "../../../src/client/connection/pending-call.ts";
import { SentBatches } from "../../../src/client/connection/sent-batches.ts";
import { CacheError } from "../../../src/common/errors.ts";

const operation: Operation = {
  $typeName: "meshcache.v1.Operation",
  traceparent: "",
  operation: { case: undefined },
};

class ScriptedCall extends Call {
  readonly #settle: () => void;

  constructor(settle: () => void) {
    super(new CallPlan("users", operation, 10, 1_000, "anyEpoch", false, false, false));
    this.#settle = settle;
  }
  protected override currentCoverage(): number {
    return NOT_COVERED;
  }
  protected override answered(): void {
    this.#settle();
  }
  protected override failed(): void {
    this.#settle();
  }
  protected override late(): void {}
}

function sent(...faults: (Error | undefined)[]) {
  const settled: number[] = [];
  const released: Call[] = [];
  const batches = new SentBatches((calls) => released.push(...calls));
  const calls = faults.map(
    (fault, index) =>
      new ScriptedCall(() => {
        settled.push(index);
        if (fault !== undefined) throw fault;
      }),
  );
  batches.send(calls, 0, 1n, () => 1n);
  return { batches, calls, settled, released };
}

const first = new Error("of the first call");
const third = new Error("of the third call");

describe("C2: a call that throws when it is settled", () => {
  it("keeps no call of its batch from its answer", () => {
    const { batches, calls, settled, released } = sent(first, undefined, undefined);
    expect(() => batches.answer(1n, [], false)).toThrow(first);
    expect(settled).toEqual([0, 1, 2]);
    expect(released).toEqual(calls);
    expect(batches.size).toBe(0);
  });

  it("keeps no call of a refused batch from its error", () => {
    const { batches, calls, settled, released } = sent(first, undefined, third);
    const refusal = new CacheError("UNAVAILABLE", "refused");
    let thrown: unknown;
    try {
      batches.refuse(1n, refusal);
    } catch (error) {
      thrown = error;
    }
    expect(thrown).toMatchObject({ errors: [first, third] });
    expect(settled).toEqual([0, 1, 2]);
    expect(released).toEqual(calls);
  });
});
