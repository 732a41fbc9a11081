// A service that traces itself and uses the cache: one load, written through, in one trace.
//
//   OTEL_SERVICE_NAME=shop OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:4317 OTEL_EXPORTER_OTLP_PROTOCOL=grpc \
//     node examples/traced-service.ts 127.0.0.1:50051
import { trace } from "@opentelemetry/api";
import { NodeSDK } from "@opentelemetry/sdk-node";
import { json, MeshCache } from "../src/index.ts";

const sdk = new NodeSDK({ metricReaders: [], logRecordProcessors: [] });
sdk.start();

const cache = new MeshCache({ address: process.argv[2] ?? "127.0.0.1:50051" });
const prices = cache.namespace("prices", { codec: json<number>() });

await trace.getTracer("shop").startActiveSpan("GET /price/{sku}", async (span) => {
  const price = await prices.getOrLoad("sku-1", async () => 42, { ttlMs: 60_000 });
  console.log(`price ${price} in trace ${span.spanContext().traceId}`);
  span.end();
});

await cache.close();
await sdk.shutdown().catch((error: Error) => console.error(`the spans were not exported: ${error.message}`));
