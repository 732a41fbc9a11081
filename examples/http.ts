/** The HTTP of the example: JSON requests and answers, with trace headers. */
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { SpanKind } from "@opentelemetry/api";
import { traceHeaders, withSpan } from "./tracing.ts";

export interface Answer {
  readonly status: number;
  readonly body: unknown;
}

export type Handle = (method: string, path: string, body: unknown) => Promise<Answer>;

/** Resolves with "http://HOST:PORT". */
export async function serveHttp(handle: Handle): Promise<string> {
  const server = createServer(async (request, response) => {
    const { method = "GET", url: path = "/" } = request;
    const answer = await withSpan(`${method} ${path}`, SpanKind.SERVER, request.headers, async () => {
      try {
        let text = "";
        for await (const chunk of request) text += String(chunk);
        return await handle(method, path, text === "" ? undefined : JSON.parse(text));
      } catch (error) {
        return { status: 500, body: { error: String(error) } };
      }
    });
    response.writeHead(answer.status, { "content-type": "application/json" });
    response.end(JSON.stringify(answer.body));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return `http://127.0.0.1:${port}`;
}

export async function call(url: string, method = "GET", body?: unknown): Promise<Answer> {
  const response = await fetch(url, {
    method,
    headers: traceHeaders(),
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  return { status: response.status, body: await response.json() };
}
