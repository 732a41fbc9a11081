/**
 * The body of a request, on its way to the Connect library: counted as it comes, and looked through before anybody decodes
 * it. Bodies are not compressed: the library takes none that are.
 */

import type { DescMessage } from "@bufbuild/protobuf";
import { fieldInvalid, limitExceeded } from "../common/errors.ts";
import type { Limits } from "../rpc/limits.ts";
import { requestMaxFields } from "../rpc/request-bounds.ts";
import { refusalOf } from "../server/calls/decode-request.ts";
import { toConnectError } from "./connect-error.ts";
import type { HttpCall } from "./http-call.ts";
import { scanJson } from "./json-scan.ts";

/** A flag and four bytes of length, before each message of a stream. */
export const ENVELOPE_BYTES = 5;

export interface BodyForm {
  readonly json: boolean;
  /** Each message is behind its length. */
  readonly enveloped: boolean;
}

export interface BodyDeps {
  readonly input: DescMessage;
  /** Of one message. */
  readonly maxBytes: number;
  readonly limits: Limits;
}

export function formOf(contentType: string): BodyForm {
  const [type = ""] = contentType.toLowerCase().split(";", 1);
  return {
    json: /[/+]json\s*$/.test(type),
    enveloped: type.startsWith("application/connect+") || type.startsWith("application/grpc-web"),
  };
}

/** The chunks, until the call ends. */
async function* untilEnd(call: HttpCall, source: AsyncIterable<Uint8Array>) {
  const chunks = source[Symbol.asyncIterator]();
  try {
    for (;;) {
      const next = await call.orEnd(chunks.next());
      if (next.done === true) return;
      yield next.value;
    }
  } finally {
    // Not waited for: a peer that sends nothing would keep it waiting.
    chunks.return?.().catch(() => {});
  }
}

/** Passes on the chunks of a stream of requests as they come. */
export async function* streamedBody(call: HttpCall, source: AsyncIterable<Uint8Array>) {
  for await (const chunk of untilEnd(call, source)) {
    call.holdRequest(chunk.length);
    yield chunk;
  }
  call.halfClosed = true;
}

/** All of a body at once. Throws LIMIT_EXCEEDED for more than `maxBytes`, with `besideBytes` that do not count. */
export async function collect(
  call: HttpCall,
  source: AsyncIterable<Uint8Array>,
  maxBytes: number,
  besideBytes = 0,
): Promise<Uint8Array> {
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of untilEnd(call, source)) {
    bytes += chunk.length;
    if (bytes > maxBytes + besideBytes)
      throw toConnectError(limitExceeded("receive_max_bytes", String(maxBytes)));
    call.holdRequest(bytes);
    parts.push(chunk);
  }
  call.halfClosed = true;
  const [only] = parts;
  return parts.length === 1 && only !== undefined ? only : Buffer.concat(parts, bytes);
}

/** All of a body at once, checked. Throws what the call is to end with. */
export async function readBody(
  call: HttpCall,
  source: AsyncIterable<Uint8Array>,
  form: BodyForm,
  deps: BodyDeps,
): Promise<Uint8Array> {
  const body = await collect(call, source, deps.maxBytes, form.enveloped ? ENVELOPE_BYTES : 0);
  checkBody(body, form, deps);
  return body;
}

/** Throws FIELD_INVALID for what is no JSON, and LIMIT_EXCEEDED for more fields or values than a request may have. */
export function checkBody(body: Uint8Array, form: BodyForm, deps: BodyDeps): void {
  for (const message of form.enveloped ? messagesOf(body) : [body]) {
    const refusal = form.json
      ? jsonRefusalOf(message, deps.limits)
      : refusalOf(deps.input, message, deps.limits);
    if (refusal !== undefined) throw toConnectError(refusal);
  }
}

function jsonRefusalOf(message: Uint8Array, limits: Limits) {
  const { faultAt, values } = scanJson(message);
  const most = requestMaxFields(limits);
  if (values > most) return limitExceeded("request_fields", String(most));
  return faultAt === undefined
    ? undefined
    : fieldInvalid("message", `JSON, and is none from byte ${faultAt} on`);
}

/** The messages of a stream, those that are whole. */
export function* messagesOf(body: Uint8Array): Generator<Uint8Array> {
  const view = new DataView(body.buffer, body.byteOffset, body.length);
  for (let at = 0; at + ENVELOPE_BYTES <= body.length; ) {
    const from = at + ENVELOPE_BYTES;
    at = from + view.getUint32(at + 1);
    if (at <= body.length) yield body.subarray(from, at);
  }
}
