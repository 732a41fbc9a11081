/** An OTLP endpoint in this process, built from the public .proto files. It shows what the exporters send. */
import {
  createServer,
  type Server as HttpServer,
  type IncomingMessage,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { type MethodDefinition, Server, ServerCredentials, type ServiceDefinition } from "@grpc/grpc-js";
import { loadSync } from "@grpc/proto-loader";

export type AttributeMap = Readonly<Record<string, string | number | boolean>>;

/** A span as received, its ids in hex. */
export interface ReceivedSpan {
  readonly name: string;
  readonly kind: string;
  readonly traceId: string;
  readonly spanId: string;
  readonly parentSpanId: string;
  readonly traceState: string;
  readonly statusCode: string;
  readonly attributes: AttributeMap;
  readonly links: readonly { readonly traceId: string; readonly spanId: string }[];
  readonly resource: AttributeMap;
}

export interface ReceivedMetric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly points: readonly { readonly attributes: AttributeMap; readonly value: number }[];
}

export interface OtlpReceiver {
  readonly grpcUrl: string;
  readonly httpUrl: string;
  readonly spans: readonly ReceivedSpan[];
  readonly metrics: readonly ReceivedMetric[];
  /** Everything that was received, as JSON, to search in. */
  text(): string;
  close(): Promise<void>;
}

type Method = MethodDefinition<object, object>;

const protoFolder = join(import.meta.dirname, "opentelemetry-proto");
const definitions = loadSync(
  ["trace/v1/trace_service.proto", "metrics/v1/metrics_service.proto"].map((file) =>
    join(protoFolder, "opentelemetry/proto/collector", file),
  ),
  { includeDirs: [protoFolder], longs: Number, enums: String, defaults: true, oneofs: true },
);
const traceService = serviceNamed("opentelemetry.proto.collector.trace.v1.TraceService");
const metricsService = serviceNamed("opentelemetry.proto.collector.metrics.v1.MetricsService");

export async function startOtlpReceiver(): Promise<OtlpReceiver> {
  const requests: object[] = [];
  const spans: ReceivedSpan[] = [];
  const metrics: ReceivedMetric[] = [];
  const onTraces = (request: object): void => {
    requests.push(request);
    spans.push(...toSpans(request));
  };
  const onMetrics = (request: object): void => {
    requests.push(request);
    metrics.push(...toMetrics(request));
  };

  const grpc = new Server();
  grpc.addService(traceService, { export: answering(onTraces) });
  grpc.addService(metricsService, { export: answering(onMetrics) });
  const grpcPort = await new Promise<number>((resolve, reject) => {
    grpc.bindAsync("127.0.0.1:0", ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    );
  });
  const http = await listenHttp({ "/v1/traces": onTraces, "/v1/metrics": onMetrics });
  return {
    grpcUrl: `http://127.0.0.1:${grpcPort}`,
    httpUrl: `http://127.0.0.1:${(http.address() as AddressInfo).port}`,
    spans,
    metrics,
    text: () => JSON.stringify(requests, showBytes),
    async close() {
      grpc.forceShutdown();
      http.closeAllConnections();
      await new Promise((resolve) => http.close(resolve));
    },
  };
}

function serviceNamed(name: string): ServiceDefinition {
  const found = definitions[name];
  if (found === undefined || "format" in found) throw new Error(`no service ${name}`);
  return found as ServiceDefinition;
}

function answering(receive: (request: object) => void) {
  return (call: { request: object }, answer: (error: null, response: object) => void): void => {
    receive(call.request);
    answer(null, {});
  };
}

async function listenHttp(routes: Record<string, (request: object) => void>): Promise<HttpServer> {
  const methods: Record<string, Method> = {
    "/v1/traces": exportOf(traceService),
    "/v1/metrics": exportOf(metricsService),
  };
  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const chunks: Buffer[] = [];
    for await (const chunk of request) chunks.push(chunk);
    const body = Buffer.concat(chunks);
    const bytes = request.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
    const method = methods[request.url ?? ""];
    if (method === undefined) return void response.writeHead(404).end();
    routes[request.url ?? ""]?.(method.requestDeserialize(bytes));
    response.writeHead(200, { "content-type": "application/x-protobuf" }).end(method.responseSerialize({}));
  };
  const server = createServer((request, response) => void handle(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return server;
}

function exportOf(service: ServiceDefinition): Method {
  const method = service.Export;
  if (method === undefined) throw new Error("no Export");
  return method;
}

// proto-loader gives its results no types. These are the types of the fields that are read.
interface KeyValue {
  readonly key: string;
  readonly value: Readonly<Record<string, unknown>> & { readonly value: string };
}
interface Resource {
  readonly resource: { readonly attributes: readonly KeyValue[] } | null;
}
interface Traces {
  readonly resourceSpans: readonly (Resource & {
    readonly scopeSpans: readonly { readonly spans: readonly WireSpan[] }[];
  })[];
}
interface WireSpan {
  readonly name: string;
  readonly kind: string;
  readonly traceId: Buffer;
  readonly spanId: Buffer;
  readonly parentSpanId: Buffer;
  readonly traceState: string;
  readonly status: { readonly code: string } | null;
  readonly attributes: readonly KeyValue[];
  readonly links: readonly { readonly traceId: Buffer; readonly spanId: Buffer }[];
}
interface Metrics {
  readonly resourceMetrics: readonly {
    readonly scopeMetrics: readonly { readonly metrics: readonly WireMetric[] }[];
  }[];
}
interface WirePoints {
  readonly dataPoints: readonly {
    readonly attributes: readonly KeyValue[];
    readonly asInt?: number;
    readonly asDouble?: number;
    readonly count?: number;
  }[];
}
interface WireMetric {
  readonly name: string;
  readonly unit: string;
  readonly description: string;
  readonly gauge?: WirePoints;
  readonly sum?: WirePoints;
  readonly histogram?: WirePoints;
}

function toSpans(request: object): ReceivedSpan[] {
  return (request as Traces).resourceSpans.flatMap(({ resource, scopeSpans }) =>
    scopeSpans
      .flatMap(({ spans }) => spans)
      .map((span) => ({
        name: span.name,
        kind: span.kind,
        traceId: hex(span.traceId),
        spanId: hex(span.spanId),
        parentSpanId: hex(span.parentSpanId),
        traceState: span.traceState,
        statusCode: span.status?.code ?? "STATUS_CODE_UNSET",
        attributes: toMap(span.attributes),
        links: span.links.map((link) => ({ traceId: hex(link.traceId), spanId: hex(link.spanId) })),
        resource: toMap(resource?.attributes ?? []),
      })),
  );
}

function toMetrics(request: object): ReceivedMetric[] {
  return (request as Metrics).resourceMetrics
    .flatMap(({ scopeMetrics }) => scopeMetrics.flatMap(({ metrics }) => metrics))
    .map((metric) => ({
      name: metric.name,
      unit: metric.unit,
      description: metric.description,
      points:
        (metric.gauge ?? metric.sum ?? metric.histogram)?.dataPoints.map((point) => ({
          attributes: toMap(point.attributes),
          value: point.count ?? point.asInt ?? point.asDouble ?? Number.NaN,
        })) ?? [],
    }));
}

function toMap(attributes: readonly KeyValue[]): AttributeMap {
  return Object.fromEntries(
    attributes.map(({ key, value }) => {
      const plain = value[value.value];
      return [key, typeof plain === "number" || typeof plain === "boolean" ? plain : String(plain)];
    }),
  );
}

function hex(bytes: Buffer): string {
  return bytes.toString("hex");
}

function showBytes(_key: string, value: unknown): unknown {
  const bytes = value as { readonly type?: unknown; readonly data?: unknown } | null;
  return bytes?.type === "Buffer" && Array.isArray(bytes.data)
    ? Buffer.from(bytes.data).toString("latin1")
    : value;
}
