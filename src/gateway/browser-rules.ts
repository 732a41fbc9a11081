/**
 * What pages in browsers may do here. A page may call the server that it came from. Pages of other origins may call it if
 * they are named (CORS), and all others are refused whatever they send: also what a browser sends without asking first.
 */
import type { IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { cors } from "@connectrpc/connect";

export type Caller =
  /** No page, or a page of this server. */
  | "own"
  /** A page of an origin that is named. */
  | "named"
  | "foreign";

/** For all answers: they are not to be run, framed, guessed at or embedded by pages of others. */
export const SAFE_HEADERS: Readonly<Record<string, string>> = {
  "content-security-policy": "default-src 'none'; frame-ancestors 'none'; sandbox",
  "cross-origin-resource-policy": "same-origin",
  "referrer-policy": "no-referrer",
  "x-content-type-options": "nosniff",
};

/** Beyond those of the Connect protocol. */
const OTHER_HEADERS = ["authorization", "if-match", "if-none-match", "meshcache-client-id", "traceparent"];
const EXPOSED_HEADERS = ["age", "content-encoding", "etag"];
const METHODS = ["GET", "POST", "PUT", "DELETE"];
const PREFLIGHT_MAX_S = 7_200;

/** Others that a page may send, and read. */
export interface MoreHeaders {
  readonly ofRequests: readonly string[];
  readonly ofAnswers: readonly string[];
}

export class BrowserRules {
  readonly #origins: ReadonlySet<string>;
  readonly #more: MoreHeaders;

  /** `origins`: as browsers send them, "https://console.example"; "*" for all. */
  constructor(origins: readonly string[], more: MoreHeaders = { ofRequests: [], ofAnswers: [] }) {
    this.#origins = new Set(origins);
    this.#more = more;
  }

  callerOf({ headers, socket }: IncomingMessage): Caller {
    const { origin, host } = headers;
    if (origin === undefined) {
      // A browser says so of a GET that a page of elsewhere makes without asking; its answer is kept from that page.
      return "own";
    }
    const scheme = "encrypted" in socket ? "https" : "http";
    if (origin === `${scheme}://${host}`) return "own";
    return this.#origins.has(origin) || this.#origins.has("*") ? "named" : "foreign";
  }

  /** Headers of an answer to a page that is named. */
  answerHeaders(origin: string): OutgoingHttpHeaders {
    return {
      "access-control-allow-origin": origin,
      "access-control-expose-headers": [
        ...cors.exposedHeaders,
        ...EXPOSED_HEADERS,
        ...this.#more.ofAnswers,
      ].join(", "),
      "cross-origin-resource-policy": "cross-origin",
      vary: "Origin",
    };
  }

  /** Headers of the answer to the question whether such a page may make a request. */
  preflightHeaders(origin: string): OutgoingHttpHeaders {
    return {
      ...this.answerHeaders(origin),
      "access-control-allow-methods": METHODS.join(", "),
      "access-control-allow-headers": [
        ...new Set([...cors.allowedHeaders.map(toLower), ...OTHER_HEADERS, ...this.#more.ofRequests]),
      ].join(", "),
      "access-control-max-age": String(PREFLIGHT_MAX_S),
    };
  }
}

function toLower(name: string): string {
  return name.toLowerCase();
}
