import { spawn } from "node:child_process";
import { once } from "node:events";
import { credentials } from "@grpc/grpc-js";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { CacheService } from "../../gen/meshcache/v1/cache_pb.ts";
import { SERVER_V8_FLAGS } from "../../src/cli/v8-flags.ts";
import { createServiceClient } from "../../src/rpc/client.ts";
import { bundledCommand } from "../support/bundled-command.ts";
import { type OtlpReceiver, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { CALM } from "../support/test-workers.ts";

const SET = "meshcache.v1.CacheService/Set";

interface Exporting {
  readonly address: string;
  readonly admin: string;
  /** Sends SIGTERM, and resolves with the exit code. */
  stop(): Promise<number | null>;
}

let receiver: OtlpReceiver;
const COMMAND = await bundledCommand();
const undo: (() => unknown)[] = [];

beforeEach(async () => {
  receiver = await startOtlpReceiver();
});
afterEach(async () => {
  for (const one of undo.splice(0)) await one();
  await receiver.close();
});

async function startExporting(workers: number, env: Record<string, string> = {}): Promise<Exporting> {
  const inherited = Object.entries(process.env).filter(([name]) => !/^(MESHCACHE|OTEL)_/.test(name));
  const child = spawn(
    process.execPath,
    [
      ...SERVER_V8_FLAGS,
      COMMAND,
      "serve",
      ...["--listen", "127.0.0.1:0", "--admin", "127.0.0.1:0", "--workers", String(workers)],
      ...["--shed-after-ms", String(CALM.shedAfterMs)],
    ],
    {
      env: {
        ...Object.fromEntries(inherited),
        OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
        OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
        ...env,
      },
      stdio: ["ignore", "pipe", "ignore"],
    },
  );
  undo.push(() => child.kill("SIGKILL"));
  const exited = once(child, "exit");
  let output = "";
  child.stdout.setEncoding("utf8");
  for await (const text of child.stdout.iterator({ destroyOnReturn: false })) {
    output += text;
    if (output.includes("Try it")) break;
  }
  return {
    address: /listens on (\S+)/.exec(output)?.[1] ?? "",
    admin: /metrics and health on (\S+)/.exec(output)?.[1] ?? "",
    async stop() {
      child.kill("SIGTERM");
      const [code]: (number | null)[] = await exited;
      return code ?? null;
    },
  };
}

/** One Set from each of several connections. */
async function setFrom(connections: number, address: string): Promise<void> {
  await Promise.all(
    Array.from({ length: connections }, async (_, key) => {
      const channel = { "grpc.use_local_subchannel_pool": 1 };
      const client = createServiceClient(address, credentials.createInsecure(), channel);
      await client.unary(CacheService.method.set, { namespace: "users", key: String(key) });
      client.close();
    }),
  );
}

const metric = (name: string) => receiver.metrics.filter((one) => one.name === name);

describe("meshcache serve", () => {
  it.each([1, 3])("exports what happened until its end, with %i workers, as one service", async (workers) => {
    const server = await startExporting(workers);
    await setFrom(30, server.address);
    const scraped = await (await fetch(`${server.admin}/metrics`)).text();
    expect(scraped).toContain('meshcache_sets_total{meshcache_outcome="stored"} 30');
    expect(await server.stop()).toBe(0);

    expect(receiver.spans.map((span) => span.name)).toEqual(new Array(30).fill(SET));
    const instances = new Set(receiver.spans.map((span) => span.resource["service.instance.id"]));
    expect([...instances]).toEqual([expect.stringMatching(/^[0-9a-f-]{36}$/)]);
    expect(new Set(receiver.spans.map((span) => span.resource["service.name"]))).toEqual(
      new Set(["meshcache"]),
    );
    expect(metric("meshcache.sets").at(-1)?.points).toContainEqual({
      attributes: { "meshcache.outcome": "stored" },
      value: 30,
    });
    const durations = metric("rpc.server.call.duration").at(-1)?.points ?? [];
    expect(durations.map(({ attributes, value }) => [attributes["rpc.method"], value])).toEqual([[SET, 30]]);
  });

  it.each([1, 3])(
    "exports with %i workers what came since the last time where that is preferred",
    async (workers) => {
      const server = await startExporting(workers, {
        OTEL_EXPORTER_OTLP_METRICS_TEMPORALITY_PREFERENCE: "delta",
        OTEL_METRIC_EXPORT_INTERVAL: "100",
      });
      await setFrom(10, server.address);
      const counted = () =>
        metric("rpc.server.call.duration")
          .flatMap(({ points }) => points)
          .reduce((sum, { value }) => sum + value, 0);
      while (counted() < 10) await new Promise(setImmediate);
      await setFrom(5, server.address);
      expect(await server.stop()).toBe(0);
      expect(counted()).toBe(15);
    },
  );
});
