/** Writes answers of the Connect library as responses of node:http, as fast as the peer takes them. */
import type { OutgoingHttpHeaders, ServerResponse } from "node:http";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import type { Boundary } from "../common/boundary.ts";
import type { HttpCall } from "./http-call.ts";

/** Resolves when everything is written, which is not yet sent. Rejects when the call has ended before. */
export async function sendAnswer(
  call: HttpCall,
  response: ServerResponse,
  answer: UniversalServerResponse,
  boundary: Boundary,
): Promise<void> {
  const chunks = answer.body?.[Symbol.asyncIterator]();
  try {
    // The library may set headers while it makes the first chunk.
    let next = await chunks?.next();
    concludeBy(call, answer.status);
    writeHead(response, answer);
    while (next !== undefined && next.done !== true) {
      call.holdAnswer(next.value.length);
      if (!response.write(next.value)) await call.orEnd(drained(response, boundary));
      const following = await chunks?.next();
      // What is written last is held until the response is over.
      if (following?.done === false) call.holdAnswer(0);
      next = following;
    }
    response.end();
  } finally {
    chunks?.return?.().catch(() => {});
  }
}

/** Headers of the response that were set before stay, unless the answer has its own. */
function writeHead(response: ServerResponse, { status, header, trailer }: UniversalServerResponse): void {
  const headers: OutgoingHttpHeaders = {};
  for (const [name, value] of header ?? []) headers[name] = value;
  if (trailer !== undefined) for (const [name, value] of trailer) headers[`trailer-${name}`] = value;
  response.writeHead(status, headers);
}

function drained(response: ServerResponse, boundary: Boundary): Promise<void> {
  return new Promise((resolve) => response.once("drain", boundary.guard(response, resolve)));
}

/** gRPC's numbers, of answers that were made before a handler ran. */
const CODE_OF_HTTP: Readonly<Record<number, number>> = {
  400: 3,
  401: 16,
  403: 7,
  404: 12,
  405: 12,
  408: 4,
  415: 3,
  429: 8,
  499: 1,
  501: 12,
  503: 14,
  505: 12,
};
const INTERNAL = 13;

function concludeBy(call: HttpCall, httpStatus: number): void {
  if (httpStatus >= 400) call.conclude(CODE_OF_HTTP[httpStatus] ?? INTERNAL);
}
