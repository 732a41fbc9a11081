/** The example of cached responses as a newcomer runs it. */
import { describe, expect, it } from "vitest";
import { drawUsers, runResponsesExample } from "../../examples/responses/run.ts";

describe("the example of cached responses", () => {
  it("answers from memory, sees a write of another process, is one trace, and spares the service calls", async () => {
    const userIds = drawUsers(400, 100);
    const { steps, spans, uncached, cached } = await runResponsesExample(userIds);
    expect(steps.map(({ caller, call, name, mark }) => [caller, call, name, mark])).toEqual([
      ["shop", "GetUser", "user 0", "miss"],
      ["shop", "GetUser", "user 0", "near"],
      ["billing", "GetUser", "user 0", "remote"],
      ["billing", "RenameUser", "Ada", "invalidated"],
      ["shop", "GetUser", "Ada", "miss"],
    ]);
    const services = (name: string) =>
      spans
        .filter((span) => span.name === name && span.parentId === "")
        .map(({ traceId }) =>
          [...new Set(spans.filter((span) => span.traceId === traceId).map(({ service }) => service))].sort(),
        );
    expect(services("GetUser")).toEqual([
      ["cache", "service", "shop"],
      ["shop"],
      ["billing", "cache"],
      ["cache", "service", "shop"],
    ]);
    expect(services("RenameUser")).toEqual([["billing", "cache", "service"]]);
    const all = userIds.length;
    expect(uncached).toMatchObject({ calls: all, servedCalls: all, answers: { uncached: all } });
    const { near = 0, remote = 0, miss = 0 } = cached.answers;
    expect(near + remote + miss).toBe(all);
    // One for each user, but for the one that the steps have asked for.
    expect(cached.servedCalls).toBe(new Set(userIds).size - 1);
  });
});
