/** The example of an API behind the proxy, as a newcomer runs it. */
import { describe, expect, it } from "vitest";
import { runHttpApiExample } from "../../examples/http-api/run.ts";
import { drawUsers } from "../../examples/responses/run.ts";

describe("the example of an API behind the proxy", () => {
  it("answers from memory, sees a write through another proxy, is one trace, and spares the API requests", async () => {
    const userIds = drawUsers(400, 100);
    const { steps, spans, direct, proxied, outcomes } = await runHttpApiExample(userIds);
    expect(
      steps.map(({ through, request, name, cacheStatus }) => [through, request, name, cacheStatus]),
    ).toEqual([
      ["proxy a", "GET /users/0", "user 0", "fwd=uri-miss; fwd-status=200; stored"],
      ["proxy a", "GET /users/0", "user 0", expect.stringMatching(/^hit; .*detail=near$/)],
      ["proxy b", "GET /users/0", "user 0", expect.stringMatching(/^hit; .*detail=remote$/)],
      ["proxy b", "PATCH /users/0", "Ada", "fwd=method; fwd-status=200"],
      ["proxy a", "GET /users/0", "Ada", "fwd=uri-miss; fwd-status=200; stored"],
    ]);
    const services = steps.map(({ traceId }) =>
      [...new Set(spans.filter((span) => span.traceId === traceId).map(({ service }) => service))].sort(),
    );
    expect(services).toEqual([
      ["api", "cache", "proxy a"],
      ["proxy a"],
      ["cache", "proxy b"],
      ["api", "cache", "proxy b"],
      ["api", "cache", "proxy a"],
    ]);
    const all = userIds.length;
    expect(direct).toMatchObject({ requests: all, served: all });
    // One for each user, but for the one that the steps have asked for.
    expect(proxied.served).toBe(new Set(userIds).size - 1);
    const { hit = 0, miss = 0, collapsed = 0 } = outcomes;
    expect(hit + miss + collapsed).toBe(all);
    expect(miss).toBe(proxied.served);
  });
});
