/** What the client finds of OpenTelemetry when the application has registered only a part of it, or nothing. */
import { ProxyTracerProvider, trace } from "@opentelemetry/api";
import { afterEach, expect, it } from "vitest";
import { meterProvider, tracerProvider, withSpan } from "../../../src/client/telemetry/otel-global.ts";

afterEach(() => trace.disable());

it("finds nothing before anything is registered, and a tracer provider from then on", () => {
  expect(tracerProvider()).toBeUndefined();
  expect(meterProvider()).toBeUndefined();
  trace.setGlobalTracerProvider(new ProxyTracerProvider());
  expect(tracerProvider()?.getTracer("test")).toBeDefined();
  expect(meterProvider()).toBeUndefined();
});

it("runs what belongs to a span also without a context manager", () => {
  const span = trace.getTracer("test").startSpan("span");
  expect(withSpan(span, () => "done")).toBe("done");
});
