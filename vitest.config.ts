import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    // For tests that hang. None is to end because its host is busy with something else.
    testTimeout: 120_000,
    hookTimeout: 120_000,
    // Many of these wait more than they work; by default one core of two would stay idle.
    maxWorkers: "100%",
    projects: [
      {
        extends: true,
        test: {
          name: "meshcache",
          include: ["test/**/*.test.ts"],
          exclude: ["test/proxies/**", "test/console/browser/**", "test/adapters/{suites,next}/**"],
        },
      },
      {
        extends: true,
        test: {
          // The contract, the streams and coherence once more, of a server with three worker threads.
          name: "3 workers",
          include: [
            "test/contract/grpc.test.ts",
            "test/contract/buf-curl.test.ts",
            "test/server/streams/{event-stream,exchange}.test.ts",
            "test/coherence/*.test.ts",
            "test/client/{faulty-network,lease-holders,queued-invalidations,silence,stampede}.test.ts",
          ],
          env: { MESH_TEST_WORKERS: "3" },
        },
      },
      {
        extends: true,
        test: {
          // The same, and calls and hostile peers, of a server whose accelerator is off.
          name: "grpc-js alone",
          include: [
            "test/contract/grpc.test.ts",
            "test/contract/buf-curl.test.ts",
            "test/server/{calls,hostile}/*.test.ts",
            "test/server/connections/reset-streams.test.ts",
            "test/server/streams/{event-stream,exchange}.test.ts",
            "test/server/shutdown.test.ts",
            "test/coherence/*.test.ts",
            "test/client/{faulty-network,lease-holders,queued-invalidations,silence,stampede}.test.ts",
          ],
          env: { MESH_TEST_ACCELERATION: "off" },
        },
      },
      {
        extends: true,
        test: {
          // The contract, the streams, coherence and hostile peers once more, over mutual TLS and with a policy.
          name: "mutual TLS",
          include: [
            "test/contract/*.test.ts",
            "test/server/streams/{event-stream,exchange,exchange-session}.test.ts",
            "test/server/{calls,hostile}/*.test.ts",
            "test/server/fast/{frame-floods,protocol-errors,whole-values}.test.ts",
            "test/server/fast/single-stream{,-protocol,-bounds}.test.ts",
            "test/server/fast/many-streams-{protocol,windows,bounds,ending,calls}.test.ts",
            "test/server/connections/reset-streams.test.ts",
            "test/server/shutdown.test.ts",
            "test/coherence/*.test.ts",
            "test/client/{faulty-network,lease-holders,queued-invalidations,silence,stampede}.test.ts",
          ],
          env: { MESH_TEST_TLS: "on" },
        },
      },
      {
        extends: true,
        test: {
          // The contract, the streams and what clients rely on, of servers on the shared tier, where an engine for it is installed.
          name: "tier",
          include: [
            "test/contract/{grpc,buf-curl}.test.ts",
            "test/server/streams/{event-stream,exchange}.test.ts",
            "test/client/{faulty-network,lease-holders,silence,stampede}.test.ts",
          ],
          env: { MESH_TEST_TIER: "redis" },
          setupFiles: ["test/support/test-tier-setup.ts"],
        },
      },
    ],
  },
});
