import { describe, expect, it } from "vitest";
import { checkLinearizable, type Operation } from "./linearizability.ts";
import { type RegisterInput, registerModel } from "./register.ts";

let nextId = 0;

/** An operation from `call` to `returned`. Each position in the order takes one millisecond. */
function operation<Kind extends RegisterInput["kind"]>(
  call: number,
  returned: number,
  input: Omit<Extract<RegisterInput, { kind: Kind }>, "id" | "callMs" | "returnMs"> & {
    kind: Kind;
    id?: number;
  },
): Operation<RegisterInput> {
  nextId += 1;
  const span = { id: nextId, callMs: call, returnMs: returned };
  // TypeScript does not infer that the spread of a generic union is that union.
  return { input: { ...span, ...input } as unknown as RegisterInput, callOrder: call, returnOrder: returned };
}

const set = (
  call: number,
  returned: number,
  id: number,
  more: Partial<Extract<RegisterInput, { kind: "set" }>> = {},
): Operation<RegisterInput> =>
  operation(call, returned, {
    kind: "set",
    ttlMs: 0,
    staleMs: 0,
    tags: [],
    sourceVersion: 0,
    condition: { kind: "always" },
    answer: "stored",
    ...more,
    id,
  });
const get = (
  call: number,
  returned: number,
  setId: number | undefined,
  stale = false,
): Operation<RegisterInput> => operation(call, returned, { kind: "get", setId, stale });
const invalidate = (call: number, returned: number, soft = false): Operation<RegisterInput> =>
  operation(call, returned, {
    kind: "invalidate",
    target: { kind: "key" },
    soft,
    sourceVersion: 0,
    answered: true,
  });
const restart = (at: number): Operation<RegisterInput> =>
  operation(at, at, { kind: "restart", mayKnowSources: false });

const verdict = (...operations: Operation<RegisterInput>[]): string =>
  checkLinearizable(operations, registerModel).kind;

describe("checkLinearizable() of a register", () => {
  it("accepts a read of what was set", () => {
    expect(verdict(set(1, 2, 100), get(3, 4, 100))).toBe("linearizable");
  });

  it("refuses a read of what was overwritten", () => {
    expect(verdict(set(1, 2, 100), set(3, 4, 101), get(5, 6, 100))).toBe("violation");
  });

  it("accepts either of two concurrent Sets, and refuses to change its mind", () => {
    expect(verdict(set(1, 5, 100), set(2, 6, 101), get(7, 8, 100))).toBe("linearizable");
    expect(verdict(set(1, 5, 100), set(2, 6, 101), get(7, 8, 101))).toBe("linearizable");
    expect(verdict(set(1, 5, 100), set(2, 6, 101), get(7, 8, 100), get(9, 10, 101))).toBe("violation");
  });

  it("lets a Set without an answer have happened or not, but not both", () => {
    const maybe = set(1, 20, 100, { answer: undefined });
    expect(verdict(maybe, get(3, 4, undefined), get(5, 6, 100))).toBe("linearizable");
    expect(verdict(maybe, get(3, 4, undefined))).toBe("linearizable");
    expect(verdict(maybe, get(3, 4, 100), get(5, 6, undefined))).toBe("violation");
  });

  it("refuses a miss of what is there, and accepts it after an invalidation, an expiry or a restart", () => {
    expect(verdict(set(1, 2, 100), get(3, 4, undefined))).toBe("violation");
    expect(verdict(set(1, 2, 100), invalidate(3, 4), get(5, 6, undefined))).toBe("linearizable");
    expect(verdict(set(1, 2, 100), restart(3), get(5, 6, undefined))).toBe("linearizable");
    expect(verdict(set(1, 2, 100, { ttlMs: 5 }), get(6, 7, undefined))).toBe("linearizable");
    expect(verdict(set(1, 2, 100, { ttlMs: 50 }), get(6, 7, undefined))).toBe("violation");
  });

  it("refuses a hit past the TTL, and a lost invalidation", () => {
    expect(verdict(set(1, 2, 100, { ttlMs: 5 }), get(10, 11, 100))).toBe("violation");
    expect(verdict(set(1, 2, 100), invalidate(3, 4), get(5, 6, 100))).toBe("violation");
  });

  it("lets a soft invalidation leave a stale entry and no fresh one", () => {
    expect(verdict(set(1, 2, 100), invalidate(3, 4, true), get(5, 6, 100, true))).toBe("linearizable");
    expect(verdict(set(1, 2, 100), invalidate(3, 4, true), get(5, 6, 100))).toBe("violation");
    expect(verdict(set(1, 2, 100), invalidate(3, 4), get(5, 6, 100, true))).toBe("violation");
  });

  it("holds conditions to the entry that was there", () => {
    const ifAbsent = { condition: { kind: "ifAbsent" } } as const;
    expect(verdict(set(1, 2, 100), set(3, 4, 101, ifAbsent))).toBe("violation");
    expect(verdict(set(1, 2, 100), set(3, 4, 101, { ...ifAbsent, answer: "exists" }))).toBe("linearizable");
    expect(verdict(set(1, 2, 101, { ...ifAbsent, answer: "exists" }))).toBe("violation");
    const ifVersion = { condition: { kind: "ifVersion", setId: 100 } } as const;
    expect(verdict(set(1, 2, 100), set(3, 4, 101, ifVersion))).toBe("linearizable");
    expect(verdict(set(1, 2, 100), set(3, 4, 101), set(5, 6, 102, ifVersion))).toBe("violation");
  });

  it("refuses a Set that was answered as refused and read all the same", () => {
    const refused = set(3, 4, 101, { condition: { kind: "ifAbsent" }, answer: "exists" });
    expect(verdict(set(1, 2, 100), refused, get(5, 6, 101))).toBe("violation");
  });

  it("makes an older source version lose", () => {
    const older = set(3, 4, 101, { sourceVersion: 4 });
    expect(verdict(set(1, 2, 100, { sourceVersion: 5 }), older)).toBe("violation");
    expect(
      verdict(set(1, 2, 100, { sourceVersion: 5 }), {
        ...older,
        input: { ...older.input, answer: "olderSourceVersion" } as RegisterInput,
      }),
    ).toBe("linearizable");
  });

  it("lets a new life know older source versions only where it may", () => {
    const refused = set(5, 6, 101, { sourceVersion: 4, answer: "olderSourceVersion" });
    const afterRestart = (mayKnowSources: boolean) =>
      verdict(
        set(1, 2, 100, { sourceVersion: 5 }),
        operation(3, 3, { kind: "restart", mayKnowSources }),
        refused,
      );
    expect(afterRestart(false)).toBe("violation");
    expect(afterRestart(true)).toBe("linearizable");
    const get100 = get(5, 6, 100);
    expect(verdict(set(1, 2, 100), operation(3, 3, { kind: "restart", mayKnowSources: true }), get100)).toBe(
      "violation",
    );
  });

  it("names the operation at which every order ends", () => {
    const result = checkLinearizable([set(1, 2, 100), set(3, 4, 101), get(5, 6, 100)], registerModel);
    expect(result).toMatchObject({ kind: "violation", stuckAt: { callOrder: 5 }, explained: 2 });
  });

  it("gives up after its steps and says so", () => {
    const many = Array.from({ length: 12 }, (_, index) => set(index, 100 + index, 200 + index));
    const result = checkLinearizable([...many, get(200, 201, 999)], registerModel, 50);
    expect(result.kind).toBe("undecided");
  });
});
