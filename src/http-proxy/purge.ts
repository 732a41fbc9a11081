/** PURGE: removes a URL, or all responses with some tags, for whoever has the token. Without a token nobody may. */
import { createHash, timingSafeEqual } from "node:crypto";
import type { ClientAnswer } from "./client-answer.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import type { Invalidated, ResponseStore } from "./response-store.ts";
import { tagsOf } from "./rules/tags.ts";
import type { Counts } from "./telemetry/counts.ts";

/** More in one request are refused. */
const TAGS_MAX = 64;

const ANSWERS: Readonly<Record<Invalidated, readonly [status: number, text: string]>> = {
  done: [200, "purged"],
  queued: [202, "queued: it is sent as soon as the cache can be reached"],
  failed: [503, "the cache has refused it"],
};

export class Purge {
  readonly #store: ResponseStore;
  readonly #token: string | undefined;
  readonly #counts: Counts;

  constructor(store: ResponseStore, token: string | undefined, counts: Counts) {
    this.#store = store;
    this.#token = token;
    this.#counts = counts;
  }

  async serve(request: ProxiedRequest, answer: ClientAnswer): Promise<void> {
    const refusal = this.#refusalOf(request);
    if (refusal !== undefined) {
      answer.outcome("refused");
      const [status, text, headers] = refusal;
      answer.refuse(status, text, headers);
      return;
    }
    const tags = tagsOf(request.message.rawHeaders);
    if (tags.length > TAGS_MAX) {
      answer.outcome("refused");
      answer.refuse(400, `at most ${TAGS_MAX} tags`);
      return;
    }
    const isSoft = request.headers["soft-purge"] === "1";
    const targets = tags.length > 0 ? [] : [request.target];
    const invalidated = await this.#store.invalidate(targets, tags, isSoft);
    if (invalidated !== "done") this.#counts.invalidationsUnacknowledged += 1;
    const [status, text] = ANSWERS[invalidated];
    answer.outcome("purge");
    answer.refuse(status, text);
  }

  #refusalOf({ headers }: ProxiedRequest): readonly [number, string, Record<string, string>?] | undefined {
    if (this.#token === undefined) return [405, "PURGE is off"];
    const [scheme = "", token = ""] = (headers.authorization ?? "").split(" ");
    if (scheme.toLowerCase() === "bearer" && isSame(token, this.#token)) return undefined;
    return [401, "PURGE needs the token", { "www-authenticate": "Bearer" }];
  }
}

/** In a time that says nothing of where they differ. */
function isSame(one: string, other: string): boolean {
  const [a, b] = [one, other].map((text) => createHash("sha256").update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}
