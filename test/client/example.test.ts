/** The example as a newcomer runs it: its answers, and its traces through all three processes. */
import { describe, expect, it } from "vitest";
import { runExample, type Story } from "../../examples/run.ts";

/** The services that a trace went through, in order. */
function path({ spans }: Story, rootName: string): string[][] {
  const roots = spans.filter(({ name, parentId }) => name === rootName && parentId !== "");
  return roots.map(({ traceId }) => {
    const services = spans.filter((span) => span.traceId === traceId).map(({ service }) => service);
    return [...new Set(services)].sort();
  });
}

describe("The example", () => {
  it("reads, writes and invalidates, and its traces cross the services", async () => {
    const story = await runExample();
    const ada = { id: "0", tenant: "acme", name: "Ada" };
    expect(story.steps.map(({ request, status, answer }) => [request, status, answer])).toEqual([
      ["GET /users/0", 200, { user: ada, source: "loader" }],
      ["GET /users/0", 200, { user: ada, source: "near" }],
      ["PUT /users/0", 200, {}],
      ["GET /users/0", 200, { user: { ...ada, name: "Ada Lovelace" }, source: "loader" }],
      ["DELETE /tenants/acme", 200, {}],
      ["GET /users/0", 404, { error: "no such user" }],
    ]);
    // A load: from the API to the cache, and to the worker that has the row.
    expect(path(story, "GET /rows/0")[0]).toEqual(["api", "cache", "worker"]);
    // A change: from the worker to the cache, and on to the API that dropped its copy.
    expect(path(story, "key invalidated")[0]).toEqual(["api", "cache", "worker"]);
    expect(path(story, "tag invalidated")[0]).toEqual(["api", "cache", "worker"]);
  });
});
