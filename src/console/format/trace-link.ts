/** The address of a trace in the tracing system that the operator named. */

const TRACEPARENT = /^[0-9a-f]{2}-([0-9a-f]{32})-([0-9a-f]{16})-[0-9a-f]{2}/;

/**
 * `template` with `{traceId}` and `{spanId}` replaced. Undefined without a template or a trace, and for a template that is
 * no address of HTTP: it must not become a script.
 */
export function toTraceLink(template: string, traceparent: string): string | undefined {
  const [, traceId, spanId] = TRACEPARENT.exec(traceparent) ?? [];
  if (traceId === undefined || spanId === undefined || !/^https?:\/\//i.test(template)) return undefined;
  return template.replaceAll("{traceId}", traceId).replaceAll("{spanId}", spanId);
}
