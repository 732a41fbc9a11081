/** The suites of servers and clients over three servers of a tier, on Redis and on Valkey: `npm run proof:tier-suites`. */
import { defineConfig } from "vitest/config";
import { ENGINES, requireEngine } from "../../support/engine/programs.ts";
import { leftOutFiles } from "./left-out.ts";

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Each file has three servers, three nodes of an engine and its clients: two at a time are more than two cores.
    maxWorkers: 1,
    projects: ENGINES.filter(requireEngine).map((engine) => ({
      extends: true as const,
      test: {
        name: `three servers on ${engine}`,
        include: [
          "test/contract/{grpc,buf-curl}.test.ts",
          "test/server/streams/{event-stream,exchange}.test.ts",
          "test/coherence/*.test.ts",
          "test/client/{faulty-network,lease-holders,queued-invalidations,silence,stampede}.test.ts",
        ],
        exclude: [...leftOutFiles],
        env: { MESH_TEST_TIER: engine, MESH_TEST_TIER_SERVERS: "3" },
        setupFiles: ["test/support/test-tier-setup.ts", "test/tier/suites/setup.ts"],
      },
    })),
  },
});
