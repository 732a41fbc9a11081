/** What a client is answered: a stored response, one that comes from the origin, or that there is none. */
import { type ServerResponse, STATUS_CODES } from "node:http";
import type { Boundary } from "../common/boundary.ts";
import { type CacheStatus, toCacheStatus } from "./cache-status.ts";
import type { OriginResponse } from "./origin-call.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import type { BodySink } from "./recording.ts";
import { endToEnd, fieldOf, type RawHeaders, without } from "./rules/header-fields.ts";
import { type Part, toPart } from "./rules/range.ts";
import type { StoredResponse } from "./rules/stored-response.ts";
import type { ResponseHead } from "./rules/storing.ts";
import { isNotModified } from "./rules/validators.ts";
import { BODILESS, type StoredHeads } from "./stored-heads.ts";
import type { Counts, Outcome } from "./telemetry/counts.ts";
import type { RequestSpan } from "./telemetry/request-span.ts";

const NOT_MODIFIED = 304;

/** What all answers of a proxy share. */
export interface AnswerDeps {
  readonly boundary: Boundary;
  readonly counts: Counts;
  readonly heads: StoredHeads;
}

export class ClientAnswer implements BodySink {
  readonly #response: ServerResponse;
  readonly #boundary: Boundary;
  readonly #heads: StoredHeads;
  readonly #counts: Counts;
  readonly #span: RequestSpan | undefined;
  /** The client has it already, or asked for the head alone. */
  #isWithoutBody = false;

  constructor(
    response: ServerResponse,
    { boundary, counts, heads }: AnswerDeps,
    span: RequestSpan | undefined,
  ) {
    this.#response = response;
    this.#boundary = boundary;
    this.#heads = heads;
    this.#counts = counts;
    this.#span = span;
    if (span === undefined) return;
    const end = () => span.end(response.headersSent ? response.statusCode : 0);
    response.once("close", boundary.guard(response, end));
  }

  /** Counts what becomes of the request: once, before it is answered. `source`: of what comes from the cache. */
  outcome(outcome: Outcome, source?: "near" | "remote"): void {
    const known = this.isGone ? "gone" : outcome;
    this.#counts.requests[known] += 1;
    this.#span?.outcome(known, source);
  }

  get isBegun(): boolean {
    return this.#response.headersSent;
  }

  get isGone(): boolean {
    return this.#response.destroyed || this.#response.closed;
  }

  /** `nowMs`: since 1970. */
  stored(
    request: ProxiedRequest,
    stored: StoredResponse,
    ageMs: number,
    status: CacheStatus,
    nowMs: number,
  ): void {
    const { fields, cacheStatus } = this.#heads.of(stored);
    const headers = fields.slice();
    headers.push("cache-status", joined(cacheStatus, toCacheStatus(status)));
    headers.push("age", String(Math.max(0, Math.round(ageMs / 1_000))));
    const isOk = stored.status >= 200 && stored.status < 300;
    if (isOk && isNotModified(stored.headers, request.headers, nowMs)) {
      this.#head(NOT_MODIFIED, "Not Modified", withoutContent(headers));
      this.#response.end();
      return;
    }
    const part = stored.status === 200 && request.method === "GET" ? partFor(request, stored) : undefined;
    if (part !== undefined) {
      this.#head(part.status, part.statusMessage, [...withoutLength(headers), ...part.headers]);
      this.#counts.sentBytes.cache += part.body.length;
      this.#response.end(part.body, "latin1");
      return;
    }
    this.#head(stored.status, stored.statusMessage, headers);
    if (request.method === "HEAD" || BODILESS.has(stored.status)) {
      this.#response.end();
      return;
    }
    this.#counts.sentBytes.cache += stored.body.length;
    this.#response.end(stored.body, "latin1");
  }

  /**
   * The head of an answer of the origin, whose body follows. `hasConditions`: those of the client were not sent on. What Node
   * refuses of it ends the body, and is thrown.
   */
  begin(
    request: ProxiedRequest,
    response: OriginResponse,
    status: CacheStatus,
    hasConditions: boolean,
  ): void {
    if (this.isGone) return;
    try {
      this.#begin(request, response, status, hasConditions);
    } catch (error) {
      response.body.destroy();
      throw error;
    }
  }

  #begin(request: ProxiedRequest, head: ResponseHead, status: CacheStatus, hasConditions: boolean): void {
    const { fields, cacheStatus } = this.#heads.toHead(endToEnd(head.headers));
    const own = toCacheStatus({ ...status, fwdStatus: head.status });
    const headers = [...fields, "cache-status", joined(cacheStatus, own)];
    const { respondedAtMs } = head.times;
    const isUnchanged =
      hasConditions && head.status === 200 && isNotModified(head.headers, request.headers, respondedAtMs);
    this.#isWithoutBody = isUnchanged || request.method === "HEAD";
    if (isUnchanged) this.#head(NOT_MODIFIED, "Not Modified", withoutContent(headers));
    else this.#head(head.status, head.statusMessage, headers);
    if (this.#isWithoutBody) this.#response.end();
  }

  interim(status: number, headers: RawHeaders): void {
    if (this.isGone || this.isBegun) return;
    if (status === 102) this.#response.writeProcessing();
    const link = fieldOf(headers, "link");
    if (status !== 103 || link === undefined) return;
    const hints: Record<string, string> = {};
    for (let at = 0; at < headers.length; at += 2)
      hints[(headers[at] ?? "").toLowerCase()] = headers[at + 1] ?? "";
    try {
      this.#response.writeEarlyHints({ ...hints, link });
    } catch {
      // Hints that Node refuses are left out: the answer itself is still to come.
    }
  }

  /** There is no response for it. */
  refuse(
    status: number,
    text: string,
    headers: Readonly<Record<string, string>> = {},
    cacheStatus: CacheStatus = {},
  ): void {
    if (this.isGone || this.isBegun) return;
    const body = `${text}\n`;
    this.#response.writeHead(status, STATUS_CODES[status] ?? "", {
      "content-type": "text/plain",
      "content-length": Buffer.byteLength(body),
      "cache-control": "no-store",
      "cache-status": toCacheStatus(cacheStatus),
      ...headers,
    });
    this.#response.end(body);
  }

  // ---- The body of an answer of the origin ---------------------------------------------------------------

  write(chunk: Buffer): boolean {
    if (this.#isWithoutBody || this.isGone) return true;
    this.#counts.sentBytes.origin += chunk.length;
    return this.#response.write(chunk);
  }

  end(): void {
    this.#response.end();
  }

  fail(): void {
    if (!this.#isWithoutBody) this.#response.destroy();
  }

  onDrain(resume: () => void): void {
    this.#response.on("drain", this.#boundary.guard(this.#response, resume));
  }

  onGone(stop: () => void): void {
    if (this.isGone) stop();
    else this.#response.on("close", this.#boundary.guard(this.#response, stop));
  }

  #head(status: number, message: string, headers: string[]): void {
    this.#response.writeHead(status, message, headers);
  }
}

function joined(before: string | undefined, own: string): string {
  return before === undefined ? own : `${before}, ${own}`;
}

/** A 304 describes no bytes. */
function withoutContent(headers: RawHeaders): string[] {
  return without(headers, (name) => name.startsWith("content-") && name !== "content-location");
}

function partFor({ headers }: ProxiedRequest, stored: StoredResponse): Part | undefined {
  const ifRange = headers["if-range"];
  return toPart(stored, headers.range, typeof ifRange === "string" ? ifRange : undefined);
}

function withoutLength(headers: RawHeaders): string[] {
  return without(headers, (name) => name === "content-length" || name === "content-range");
}
