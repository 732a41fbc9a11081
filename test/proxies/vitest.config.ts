/** What runs through real proxies: `npm run proof:proxies`. A proxy that is not on this machine is left out, except in CI. */
import { defineConfig } from "vitest/config";
import { PROXY_KINDS, programOf } from "./programs.ts";

const absent = PROXY_KINDS.filter((kind) => programOf(kind) === undefined);
if (absent.length > 0) {
  const what = `not on this machine: ${absent.join(", ")} (.ci/proxies installs them)`;
  if (process.env.CI === "true") throw new Error(what);
  console.log(what);
}

export default defineConfig({
  test: {
    testTimeout: 120_000,
    hookTimeout: 120_000,
    maxWorkers: "100%",
    projects: [
      { extends: true, test: { name: "proxies", include: ["test/proxies/*.test.ts"] } },
      ...PROXY_KINDS.filter((kind) => !absent.includes(kind)).map((kind) => ({
        extends: true as const,
        test: {
          // The contract, the streams and coherence of a server that clients reach through the proxy.
          name: kind,
          include: [
            "test/contract/grpc.test.ts",
            "test/contract/buf-curl.test.ts",
            "test/server/streams/{event-stream,exchange}.test.ts",
            "test/client/{faulty-network,stampede}.test.ts",
          ],
          env: { MESH_TEST_PROXY: kind },
        },
      })),
    ],
  },
});
