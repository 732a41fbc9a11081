/** What every request to a gateway passes: the rules for pages in browsers, and then whoever serves its path. */
import type { IncomingMessage, ServerResponse } from "node:http";
import { type BrowserRules, SAFE_HEADERS } from "./browser-rules.ts";

export interface Route {
  /** False: the path is not served here, and nothing was done. */
  serve(request: IncomingMessage, response: ServerResponse): boolean;
}

export class HttpGateway implements Route {
  readonly #rules: BrowserRules;
  readonly #routes: readonly Route[];

  constructor(rules: BrowserRules, routes: readonly Route[]) {
    this.#rules = rules;
    this.#routes = routes;
  }

  serve(request: IncomingMessage, response: ServerResponse): boolean {
    for (const [name, value] of Object.entries(SAFE_HEADERS)) response.setHeader(name, value);
    const { origin } = request.headers;
    const caller = this.#rules.callerOf(request);
    if (caller === "foreign") {
      answerText(response, 403, "pages of this origin may not call this server\n");
      return true;
    }
    if (caller === "named" && origin !== undefined) {
      if (request.method === "OPTIONS") {
        response.writeHead(204, this.#rules.preflightHeaders(origin)).end();
        return true;
      }
      for (const [name, value] of Object.entries(this.#rules.answerHeaders(origin))) {
        if (value !== undefined) response.setHeader(name, value);
      }
    }
    return this.#routes.some((route) => route.serve(request, response));
  }
}

export function answerText(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { "content-type": "text/plain; charset=utf-8" }).end(text);
}
