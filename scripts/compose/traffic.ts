/**
 * A service that uses the cache of the compose file: `npm run example:traffic`. Two clients replay a trace until SIGTERM or SIGINT,
 * and export their metrics to the Collector, unless variables of OpenTelemetry say something else. Prints "warm" when the cache
 * has what the trace asks for, and at the end what became of the reads, as JSON.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { replayThroughClients } from "../../src/cli/replay/mesh.ts";
import { fromMeshCache, type MeshClient } from "../../src/cli/replay/mesh-client.ts";
import { createMeshTally } from "../../src/cli/replay/mesh-tally.ts";
import { createOrigin } from "../../src/cli/replay/origin.ts";
import { createPayloads } from "../../src/cli/replay/payload.ts";
import { createTrace } from "../../src/cli/replay/trace.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { MeshCache } from "../../src/index.ts";
import { patient } from "../patient-client.ts";

const SEED = 1;
const LEASE_MS = 5_000;
const OBJECTS = 1_000;
/** For an hour. */
const ACCESSES = 6_000_000;
/** After so many, nearly all objects have been asked for. */
const WARM_ACCESSES = 12_000;
/** Each read waits, so that the load is about the same on any machine: 16 in flight are 1,600 a second at most. */
const PACE_MS = 10;
/** Holds a part of the objects, so that the server is asked too. */
const NEAR_CACHE_BYTES = 128 * 1_024;

const [address = "127.0.0.1:50051"] = process.argv.slice(2);
const defaults = {
  OTEL_SERVICE_NAME: "shop",
  OTEL_EXPORTER_OTLP_ENDPOINT: "http://127.0.0.1:4317",
  OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  OTEL_METRICS_EXPORTER: "otlp",
  OTEL_METRIC_EXPORT_INTERVAL: "2000",
  OTEL_METRIC_EXPORT_TIMEOUT: "2000",
  // The spans in the Collector are those of the server.
  OTEL_TRACES_EXPORTER: "none",
  OTEL_LOGS_EXPORTER: "none",
};
for (const [name, value] of Object.entries(defaults)) process.env[name] ??= value;
const sdk = new NodeSDK();
sdk.start();

function paced(client: MeshClient): MeshClient {
  return {
    ...client,
    async read(object, load) {
      await sleep(PACE_MS);
      return client.read(object, load);
    },
  };
}

const rng = createSeededRng(SEED);
const ids = Buffer.alloc(4 * ACCESSES);
for (let at = 0; at < ids.length; at += 4) ids.writeInt32BE(Math.floor(OBJECTS * rng.fraction() ** 2), at);

const interruption = new AbortController();
for (const signal of ["SIGTERM", "SIGINT"]) process.once(signal, () => interruption.abort());
const caches = ["writer", "reader"].map(
  (clientId) =>
    new MeshCache({
      address,
      clientId,
      leaseMs: LEASE_MS,
      backoffMaxMs: 100,
      nearCache: { maxBytes: NEAR_CACHE_BYTES },
      telemetry: { spans: false },
      onEvent: () => undefined,
    }),
);
const [writer, reader] = caches.map((cache) => patient(paced(fromMeshCache(cache, "pages"))));
if (writer === undefined || reader === undefined) throw new Error("there are two clients");
await Promise.all([writer.sync(), reader.sync()]);
const tally = createMeshTally();
await replayThroughClients(
  {
    trace: createTrace("pages", "web", ids),
    accesses: ACCESSES,
    concurrency: 16,
    batch: 1,
    writes: 0.02,
    tagWrites: 0.01,
  },
  {
    writer,
    reader,
    leaseMs: LEASE_MS,
    origin: createOrigin(),
    payloads: createPayloads(1n, SEED, 512),
    rng,
    tally,
    interrupted: interruption.signal,
    onProgress: () => {
      if (tally.counts.accesses === WARM_ACCESSES) console.log("warm");
    },
  },
);
const { reads, near, remote, stale, wrong } = tally.counts;
const gaps = caches.reduce((sum, cache) => sum + cache.stats().connection.gaps, 0);
await Promise.all(caches.map((cache) => cache.close()));
await sdk.shutdown();
console.log(JSON.stringify({ reads, near, remote, stale: stale + wrong, gaps }));
