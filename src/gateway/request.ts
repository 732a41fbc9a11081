/** Requests of node:http as the Connect library takes them. */
import type { IncomingMessage } from "node:http";
import type { ConnectError } from "@connectrpc/connect";
import { parseTimeoutMs } from "../server/calls/grpc-timeout.ts";
import type { HeaderReader } from "../server/calls/registry.ts";

const CONNECT_TIMEOUT = "connect-timeout-ms";
const WEB_TIMEOUT = "grpc-timeout";

/** Two headers of one name are joined by a comma, which no token has. */
export function readerOf({ headersDistinct }: IncomingMessage): HeaderReader {
  return (name) => headersDistinct[name]?.join(", ");
}

export function toHeaders({ headersDistinct }: IncomingMessage): Headers {
  const headers = new Headers();
  for (const [name, values = []] of Object.entries(headersDistinct)) {
    for (const value of values) headers.append(name, value);
  }
  return headers;
}

/** Takes the message of a GET out of its query. The headers become those of a POST with it. */
export function takeMessage(query: URLSearchParams, headers: Headers): Uint8Array {
  headers.set("content-type", `application/${query.get("encoding") ?? "json"}`);
  const encoding = query.get("compression");
  if (encoding !== null) headers.set("content-encoding", encoding);
  const message = query.get("message") ?? "";
  return query.get("base64") === "1" ? Buffer.from(message, "base64url") : Buffer.from(message);
}

/** Cuts a longer timeout to `mostMs`. One that is malformed is left to the library. */
export function boundTimeout(headers: Headers, mostMs: number): void {
  const connect = headers.get(CONNECT_TIMEOUT);
  if (connect !== null && /^\d{1,10}$/.test(connect) && Number(connect) > mostMs) {
    headers.set(CONNECT_TIMEOUT, String(mostMs));
  }
  const webMs = parseTimeoutMs(headers.get(WEB_TIMEOUT) ?? "");
  if (webMs !== undefined && webMs > mostMs) headers.set(WEB_TIMEOUT, `${Math.floor(mostMs / 1_000)}S`);
}

export async function* oneChunk(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes;
}

/** A body that cannot be read. */
export function failing(error: ConnectError): AsyncIterable<Uint8Array> {
  return { [Symbol.asyncIterator]: () => ({ next: () => Promise.reject(error) }) };
}
