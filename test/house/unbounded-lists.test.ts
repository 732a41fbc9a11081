/**
 * C3: no list that grows with the user's data becomes the arguments of a call: each takes a place on the stack, which ends
 * at about 120,000. And no long array is shifted: that moves all that is left.
 */
import { describe, expect, it } from "vitest";
import { methodCallsOf, spreadCallsOf } from "../support/parsed-source.ts";
import { sourceFiles } from "./imports.ts";

interface Allowed {
  readonly path: string;
  readonly text: string;
  readonly why: string;
}

const SPREADS: readonly Allowed[] = [
  { path: "src/common/boundary.ts", text: "callback(...args)", why: "the arguments of one call" },
  { path: "src/cli/replay/origin.ts", text: "Math.min(...known)", why: "two at most" },
  {
    path: "src/cli/settings/sources.ts",
    text: "faults.push(...check(layer))",
    why: "at most as many as there are settings",
  },
  {
    path: "src/cli/settings/table.ts",
    text: `lines.push(...(group === "" ? [] : [""]), \`# \${info.group}\`)`,
    why: "one at most",
  },
];

const SHIFTS: readonly Allowed[] = [
  { path: "src/client/connection/bulk-calls.ts", text: "calls.shift()", why: "a Fifo" },
  { path: "src/client/connection/send-window.ts", text: "this.#alone.shift()", why: "a Fifo" },
  { path: "src/client/connection/send-window.ts", text: "lane.shift()", why: "a Fifo" },
  { path: "src/client/operations/event-subscription.ts", text: "this.#events.shift()", why: "a Fifo" },
  { path: "src/client/operations/event-subscription.ts", text: "this.#waiting.shift()", why: "a Fifo" },
];

const places = (list: readonly { readonly path: string; readonly text: string }[]) =>
  [...new Set(list.map(({ path, text }) => `${path}: ${text}`))].sort();

describe("C3: lists that grow with the user's data", () => {
  it("are not spread into the arguments of a call: each spread is in the table, with a reason", () => {
    const files = sourceFiles("src");
    expect(files.length).toBeGreaterThan(100);
    const found = files.flatMap(({ path, text }) =>
      spreadCallsOf(text, path.endsWith("x") ? "tsx" : "ts").map((call) => ({ path, ...call })),
    );
    expect(places(found)).toEqual(places(SPREADS));
  });

  it("are not shifted in the client: each `shift` is in the table, with a reason", () => {
    const found = sourceFiles("src/client").flatMap(({ path, text }) =>
      methodCallsOf(text, "shift").map((call) => ({ path, ...call })),
    );
    expect(places(found)).toEqual(places(SHIFTS));
  });
});
