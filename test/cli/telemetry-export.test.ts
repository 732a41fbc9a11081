import { spawn } from "node:child_process";
import { once } from "node:events";
import { credentials } from "@grpc/grpc-js";
import { describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { createServiceClient } from "../../src/wire/service-client.ts";
import { startOtlpReceiver } from "../support/otlp-receiver.ts";

describe("meshcache serve", () => {
  it("exports what happened until its end, counters of the store included", async () => {
    const receiver = await startOtlpReceiver();
    const child = spawn(
      process.execPath,
      ["src/cli/main.ts", "serve", "--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0"],
      {
        env: {
          ...process.env,
          OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
          OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        },
        stdio: ["ignore", "pipe", "ignore"],
      },
    );
    try {
      const exited = once(child, "exit");
      let output = "";
      child.stdout.setEncoding("utf8");
      for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
        output += text;
        if (output.includes("Try it")) break;
      }
      const address = /listens on (\S+)/.exec(output)?.[1] ?? "";
      const admin = /metrics and health on (\S+)/.exec(output)?.[1] ?? "";
      const client = createServiceClient(address, credentials.createInsecure());
      await client.unary(CacheService.method.set, { namespace: "users", key: "1" });
      const scraped = await (await fetch(`${admin}/metrics`)).text();
      expect(scraped).toContain('meshcache_sets_total{meshcache_outcome="stored"} 1');
      client.close();
      child.kill("SIGTERM");
      expect(await exited).toEqual([0, null]);

      expect(receiver.spans.map((span) => span.name)).toEqual(["meshcache.v1.CacheService/Set"]);
      const sets = receiver.metrics.find((metric) => metric.name === "meshcache.sets");
      expect(sets?.points).toContainEqual({ attributes: { "meshcache.outcome": "stored" }, value: 1 });
    } finally {
      child.kill("SIGKILL");
      await receiver.close();
    }
  });
});
