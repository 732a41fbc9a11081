/** The root cause of an error: at the end of its chain, bounded, on one line. */
import { describe, expect, it } from "vitest";
import { rootCauseText } from "../../src/common/root-cause.ts";

describe("rootCauseText()", () => {
  const root = new Error("connect ECONNREFUSED\n  127.0.0.1:1");
  const circle = new Error("circle");
  circle.cause = circle;
  it.each<[string, unknown, string]>([
    ["an error without a cause", new Error("alone"), "alone"],
    [
      "a chain",
      new Error("outer", { cause: new Error("inner", { cause: root }) }),
      "connect ECONNREFUSED 127.0.0.1:1",
    ],
    [
      "several at once",
      new Error("outer", { cause: new AggregateError([root, new Error("other")]) }),
      "connect ECONNREFUSED 127.0.0.1:1",
    ],
    ["none of several", new AggregateError([], "none"), "none"],
    ["a circle", circle, "circle"],
    ["an error without a message", new TypeError(), "TypeError"],
    ["what is no error", "text", "text"],
    ["a cause that is null", new Error("null", { cause: null }), "null"],
  ])("of %s", (_what, error, text) => {
    expect(rootCauseText(error)).toBe(text);
  });
});
