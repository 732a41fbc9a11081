/** What a client does when the server is overloaded: it sends nothing of that kind for as long as it was asked to. */
import { describe, expect, it } from "vitest";
import { getOperation, invalidateOperation } from "../../../src/client/messages/requests.ts";
import { Pushback } from "../../../src/client/operations/pushback.ts";
import { overloaded } from "../../../src/common/errors.ts";

const { operation: get } = getOperation("k", false);
const { operation: invalidate } = invalidateOperation({ case: "all", value: true }, false, 0n);

describe("A8: a client that was refused for load", () => {
  it("sends nothing of that kind until the time is over, and everything else", () => {
    const pushback = new Pushback();
    pushback.refused(get, overloaded(120), 1_000);
    expect(pushback.asked).toBe(true);
    expect(pushback.refusalOf(get, 1_119)).toMatchObject({ reason: "UNAVAILABLE" });
    expect(pushback.refusalOf(invalidate, 1_050)).toBeUndefined();
    expect(pushback.refusalOf(get, 1_120)).toBeUndefined();
    expect(pushback.asked).toBe(false);
  });

  it("takes the longest of the times that it was told", () => {
    const pushback = new Pushback();
    pushback.refused(get, overloaded(200), 1_000);
    pushback.refused(get, overloaded(50), 1_010);
    expect(pushback.refusalOf(get, 1_199)).toBeDefined();
  });
});
