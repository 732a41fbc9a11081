/** The files of the console, which a browser loads once: they hold nothing of the cache. */
import type { IncomingMessage, ServerResponse } from "node:http";
import type { Route } from "./gateway.ts";

export interface PageFile {
  readonly bytes: Uint8Array;
  readonly contentType: string;
}

/** By path: "index.html", "assets/main.js". */
export type PageFiles = ReadonlyMap<string, PageFile>;

const BASE = "/console/";
const INDEX = "index.html";

/** Scripts and styles of this server alone, and no inline ones; no frame, no form that leads elsewhere. */
const PAGE_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self' data:",
  "font-src 'self'",
  "connect-src 'self'",
  "base-uri 'none'",
  "form-action 'none'",
  "frame-ancestors 'none'",
].join("; ");

export class ConsolePage implements Route {
  readonly #files: PageFiles;

  constructor(files: PageFiles) {
    this.#files = files;
  }

  serve({ method, url = "" }: IncomingMessage, response: ServerResponse): boolean {
    const [path = ""] = url.split("?", 1);
    if (path !== BASE && path !== BASE.slice(0, -1) && !path.startsWith(BASE)) return false;
    if (method !== "GET" && method !== "HEAD") {
      response.writeHead(405, { allow: "GET, HEAD" }).end();
      return true;
    }
    if (!path.startsWith(BASE)) {
      response.writeHead(308, { location: BASE }).end();
      return true;
    }
    const name = path.slice(BASE.length) || INDEX;
    const file = this.#files.get(name);
    if (file === undefined) response.writeHead(404).end();
    else {
      response.writeHead(200, {
        "content-security-policy": PAGE_POLICY,
        "content-type": file.contentType,
        "content-length": file.bytes.length,
        // The names of all others change with their content.
        "cache-control": name === INDEX ? "no-cache" : "public, max-age=31536000, immutable",
      });
      response.end(method === "HEAD" ? undefined : file.bytes);
    }
    return true;
  }
}
