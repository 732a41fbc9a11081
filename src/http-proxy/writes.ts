/** Requests that may change something: they go through, and what they have made untrue is removed before they are answered. */

import type { Boundary } from "../common/boundary.ts";
import type { ClientAnswer } from "./client-answer.ts";
import { answerFailure, hasNotLeft, type Passing } from "./passing.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import { handOn } from "./recording.ts";
import type { ResponseStore } from "./response-store.ts";
import { fieldOf, type RawHeaders } from "./rules/header-fields.ts";
import type { Counts } from "./telemetry/counts.ts";

/** Methods that change nothing (RFC 9110, 9.2.1, and the registry of methods). */
const SAFE: ReadonlySet<string> = new Set(["OPTIONS", "PROPFIND", "QUERY", "REPORT", "SEARCH"]);

/** 4xx: it was refused. These: by what they mean, nothing was done either. */
const NOTHING_DONE: ReadonlySet<number> = new Set([501, 505, 511]);

/** Whether the answer proves that the request has changed nothing. Other answers of 5xx may come after the change was made. */
function changedNothing(status: number): boolean {
  return (status >= 400 && status < 500) || NOTHING_DONE.has(status);
}

export class Writes {
  readonly #store: ResponseStore;
  readonly #passing: Passing;
  readonly #origin: string;
  readonly #counts: Counts;
  readonly #boundary: Boundary;

  constructor(store: ResponseStore, passing: Passing, origin: string, counts: Counts, boundary: Boundary) {
    this.#store = store;
    this.#passing = passing;
    this.#origin = origin;
    this.#counts = counts;
    this.#boundary = boundary;
  }

  async serve(request: ProxiedRequest, answer: ClientAnswer): Promise<void> {
    if (SAFE.has(request.method)) {
      await this.#passing.pass(request, answer, "method");
      return;
    }
    try {
      const response = await this.#passing.sendToEnd(request, answer);
      if (!changedNothing(response.status)) await this.#invalidate(request, response.headers);
      answer.outcome("write");
      answer.begin(request, response, { fwd: "method" }, false);
      handOn(response.body, answer, this.#boundary);
    } catch (error) {
      // It may have been done, though nobody has said so.
      if (!hasNotLeft(error)) await this.#invalidate(request, []);
      answerFailure(answer, error, { fwd: "method" });
    }
  }

  /** The URL itself, and those of the same origin that the answer names (RFC 9111, 4.4). */
  async #invalidate(request: ProxiedRequest, headers: RawHeaders): Promise<void> {
    const targets = new Set([request.target]);
    for (const name of ["location", "content-location"]) {
      const target = this.#ownTarget(fieldOf(headers, name), request.target);
      if (target !== undefined) targets.add(target);
    }
    const invalidated = await this.#store.invalidate(targets);
    if (invalidated !== "done") this.#counts.invalidationsUnacknowledged += 1;
  }

  #ownTarget(reference: string | undefined, base: string): string | undefined {
    if (reference === undefined || !URL.canParse(reference, this.#origin + base)) return undefined;
    const url = new URL(reference, this.#origin + base);
    return url.origin === this.#origin ? url.pathname + url.search : undefined;
  }
}
