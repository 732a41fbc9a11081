/** The heads of answers as clients get them: made once for each stored response that is in memory. */
import { fieldOf, type RawHeaders, without } from "./rules/header-fields.ts";
import type { StoredResponse } from "./rules/stored-response.ts";
import { TAG_FIELDS } from "./rules/tags.ts";

export interface AnswerHead {
  readonly fields: readonly string[];
  /** What caches before this one have said. */
  readonly cacheStatus: string | undefined;
}

/** Answers of these statuses have no body. */
export const BODILESS: ReadonlySet<number> = new Set([204, 205, 304]);

export class StoredHeads {
  readonly #origin: string;
  readonly #made = new WeakMap<StoredResponse, AnswerHead>();

  /** `origin`: "http://host:port" */
  constructor(origin: string) {
    this.#origin = origin;
  }

  of(stored: StoredResponse): AnswerHead {
    let head = this.#made.get(stored);
    if (head === undefined) {
      head = this.toHead(withLength(stored));
      this.#made.set(stored, head);
    }
    return head;
  }

  /** Without what is for caches alone. */
  toHead(headers: RawHeaders): AnswerHead {
    const kept = without(headers, (name) => name === "cache-status" || TAG_FIELDS.has(name));
    const fields = kept.map((text, at) =>
      at % 2 === 1 && kept[at - 1]?.toLowerCase() === "location" ? this.#own(text) : text,
    );
    return { fields, cacheStatus: fieldOf(headers, "cache-status") };
  }

  /** A link to the origin is one to this proxy: its clients need not reach the origin. */
  #own(location: string): string {
    if (!location.startsWith(this.#origin)) return location;
    const rest = location.slice(this.#origin.length);
    return rest === "" ? "/" : rest.startsWith("/") && !rest.startsWith("//") ? rest : location;
  }
}

function withLength({ status, headers, body }: StoredResponse): RawHeaders {
  if (BODILESS.has(status) || fieldOf(headers, "content-length") !== undefined) return headers;
  return [...headers, "content-length", String(body.length)];
}
