/** What an HTTP proxy tells OpenTelemetry: metrics of each outcome, and one trace over proxy, cache and origin. */
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type OtlpReceiver, type ReceivedSpan, startOtlpReceiver } from "../support/otlp-receiver.ts";
import { startTracedProcess, type TracedProcess } from "../support/traced-process.ts";
import { numbered, startProxiedOrigin } from "./proxied-origin.ts";

const FRESH = { "cache-control": "max-age=60" };
const CANARY = "kanarienvogel";
const TRACE_ID = "0af7651916cd43dd8448eb211c80319c";
const CALLER = "b7ad6b7169203331";

let receiver: OtlpReceiver;
let traced: TracedProcess;

beforeEach(async () => {
  receiver = await startOtlpReceiver();
  traced = await startTracedProcess({
    OTEL_EXPORTER_OTLP_ENDPOINT: receiver.grpcUrl,
    OTEL_EXPORTER_OTLP_PROTOCOL: "grpc",
  });
});
afterEach(async () => {
  await traced.stop();
  await receiver.close();
});

const named = (name: string, kind: string) => (span: ReceivedSpan) =>
  span.name === name && span.kind === kind;

/** The values of a counter in the Prometheus text, by the values of its labels; without those that are 0. */
async function counted(name: string): Promise<Record<string, number>> {
  const lines = (await traced.sdk.metricsText()).split("\n").filter((line) => line.startsWith(`${name}{`));
  const values = lines.map((line): [string, number] => {
    const labels = [...line.matchAll(/(\w+)="([^"]*)"/g)].filter(
      ([, label]) => label !== "meshcache_namespace",
    );
    return [labels.map(([, , value]) => value).join(" "), Number(line.slice(line.lastIndexOf(" ") + 1))];
  });
  return Object.fromEntries(values.filter(([, value]) => value > 0));
}

describe("the metrics of a proxy", () => {
  it("count each request once, by what became of it", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH), {
      telemetry: traced.sdk,
      purgeToken: "sesame",
      bodyMaxBytes: 1_000,
    });
    const { ask, proxies } = proxied;
    await ask("/a");
    await ask("/a");
    await ask("/a", { method: "POST" });
    await ask("/a", { headers: { "cache-control": "no-store" } });
    await ask("/a", { method: "PURGE", headers: { authorization: "Bearer sesame" } });
    await ask("/a", { headers: { host: "other.example" } });
    proxied.handler = (_request, response) => response.writeHead(200, FRESH).end("x".repeat(2_000));
    await ask("/long");
    proxied.handler = (_request, response) => response.writeHead(200, { "cache-control": "private" }).end();
    await ask("/private");
    proxied.handler = ({ headers }, response) => {
      const isSame = headers["if-none-match"] !== undefined;
      response.writeHead(isSame ? 304 : 200, { "cache-control": "max-age=1", etag: '"1"' }).end();
    };
    await ask("/validated");
    await proxied.pass(2_000);
    await ask("/validated");
    await proxied.pass(2_000);
    proxied.handler = (_request, response) => response.writeHead(503).end();
    await ask("/validated");
    proxied.handler = (_request, response) => void response.destroy();
    await ask("/away");

    expect(await counted("meshcache_proxy_requests_total")).toEqual({
      hit: 1,
      miss: 4,
      pass: 1,
      write: 1,
      purge: 1,
      refused: 1,
      revalidated: 1,
      stale_on_error: 1,
      error: 1,
    });
    expect(await counted("meshcache_proxy_stored_total")).toEqual({ "": 3 });
    const reasons = { too_long: 1, private: 1, server_error: 1 };
    expect(await counted("meshcache_proxy_not_stored_total")).toEqual(reasons);
    expect(await counted("meshcache_proxy_sent_total")).toEqual({ cache: 8, origin: 2_024 });
    expect(proxies[0]?.counts.originRequests).toBe(10);
    const { port } = new URL(proxied.origin);
    const answered = (method: string, status: number) => `${method} 127.0.0.1 ${port} ${status}`;
    expect(await counted("http_client_request_duration_count")).toEqual({
      [answered("GET", 200)]: 5,
      [answered("POST", 200)]: 1,
      [answered("GET", 304)]: 1,
      [answered("GET", 503)]: 1,
      // It was asked once more: the connection may have ended while the request was on its way.
      [`GET 127.0.0.1 ${port} UND_ERR_SOCKET`]: 2,
    });
  });

  it("say how many connections are open, and what was refused", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH), {
      telemetry: traced.sdk,
      bounds: { originConnections: 1, waiting: 1 },
    });
    const { ask } = proxied;
    let release = () => {};
    const held = new Promise<void>((resolve) => {
      release = resolve;
    });
    proxied.handler = (_request, response) => void held.then(() => response.end());
    const first = ask("/1");
    await expect.poll(() => proxied.requests.length).toBe(1);
    const second = ask("/2");
    await expect.poll(() => counted("meshcache_proxy_origin_waiting")).toEqual({ "": 1 });
    expect((await ask("/3")).status).toBe(503);
    expect(await counted("meshcache_proxy_connections")).toEqual({ "": 2 });
    expect(await counted("meshcache_proxy_limits_refused_total")).toEqual({ waiting: 1 });
    release();
    await Promise.all([first, second]);
    await expect.poll(() => counted("meshcache_proxy_connections")).toEqual({});
  });
});

describe("the trace of a request", () => {
  it("goes from the client over the proxy to the cache and the origin", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH), { telemetry: traced.sdk });
    const { ask, requests } = proxied;
    const traceparent = `00-${TRACE_ID}-${CALLER}-01`;
    await ask(`/${CANARY}?${CANARY}`, { headers: { traceparent, "x-canary": CANARY } });
    await ask(`/${CANARY}?${CANARY}`, { headers: { traceparent } });
    await proxied.mesh.cache.sync();
    await traced.stop();

    const { spans } = receiver;
    const [miss, hit] = spans.filter(named("GET", "SPAN_KIND_SERVER"));
    expect(miss).toMatchObject({ traceId: TRACE_ID, parentSpanId: CALLER });
    expect(miss?.attributes).toMatchObject({
      "http.request.method": "GET",
      "http.response.status_code": 200,
      "meshcache.namespace": "responses",
      "meshcache.outcome": "miss",
    });
    expect(hit?.attributes).toMatchObject({ "meshcache.outcome": "hit", "meshcache.source": "near" });
    const [origin] = spans.filter(named("GET", "SPAN_KIND_CLIENT"));
    expect(origin).toMatchObject({ traceId: TRACE_ID, parentSpanId: miss?.spanId });
    expect(requests[0]?.headers.traceparent).toBe(`00-${TRACE_ID}-${origin?.spanId}-01`);
    const ofCache = spans.filter(({ name }) => name.startsWith("meshcache.v1.CacheService/"));
    expect(ofCache.length).toBeGreaterThan(0);
    for (const { traceId } of ofCache) expect(traceId).toBe(TRACE_ID);
    expect(receiver.text()).not.toContain(CANARY);
  });

  it("is the client's own where the proxy has none", async () => {
    await using proxied = await startProxiedOrigin(numbered(FRESH));
    const traceparent = `00-${TRACE_ID}-${CALLER}-01`;
    await proxied.ask("/", { headers: { traceparent } });
    expect(proxied.requests[0]?.headers.traceparent).toBe(traceparent);
  });
});
