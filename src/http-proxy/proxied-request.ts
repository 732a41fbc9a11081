/** A request as the proxy looks at it, and what of it goes to the origin. */
import type { IncomingMessage } from "node:http";
import { type Directives, requestDirectives, SURROGATE_CAPABILITY } from "./rules/cache-control.ts";
import { endToEnd, type RawHeaders } from "./rules/header-fields.ts";
import type { AskedWith } from "./rules/storing.ts";
import type { RequestSpan } from "./telemetry/request-span.ts";

export interface ProxiedRequest {
  readonly message: IncomingMessage;
  readonly method: string;
  /** Path and query, byte for byte as they came: the key and the origin get the same. */
  readonly target: string;
  readonly headers: IncomingMessage["headers"];
  /** What the origin sees of a header that a response may vary by. */
  seen(name: string): string | undefined;
  readonly directives: Directives;
  readonly askedWith: AskedWith;
  readonly hasBody: boolean;
  readonly span: RequestSpan | undefined;
}

/** The conditions of a client, which the proxy answers itself. */
const CONDITIONS: readonly string[] = [
  "if-match",
  "if-modified-since",
  "if-none-match",
  "if-range",
  "if-unmodified-since",
];

/**
 * Headers from which frameworks make links, choose another path or believe another method: they are in no key, so whoever could
 * send one could put the answer to it into the cache of all. The proxy writes its own instead.
 */
const UNKEYED =
  /^(?:forwarded|x-forwarded-.*|x-original-.*|x-rewrite-.*|x-http-.*|x-host|x-real-ip|x-method-override|x-url-scheme|x-override-url|front-end-https|true-client-ip|x-client-ip|x-cluster-client-ip|x-proxyuser-ip|x-wap-profile)$/;

/** Of this hop. */
const OWN: ReadonlySet<string> = new Set([
  "content-length",
  "expect",
  "host",
  "http2-settings",
  "surrogate-capability",
]);

export function toProxiedRequest(message: IncomingMessage, span: RequestSpan | undefined): ProxiedRequest {
  const { headers, method = "GET", url = "/" } = message;
  let seen: Map<string, string> | undefined;
  const directives = requestDirectives(headers["cache-control"], headers.pragma);
  return {
    message,
    method,
    target: url,
    headers,
    seen: (name) => {
      seen ??= seenBy(forwardedHeaders({ message, headers }));
      return seen.get(name);
    },
    directives,
    askedWith: {
      authorization: headers.authorization !== undefined,
      cookie: headers.cookie !== undefined,
      noStore: directives.has("no-store"),
    },
    hasBody: headers["content-length"] !== undefined || headers["transfer-encoding"] !== undefined,
    span,
  };
}

export interface ForwardOptions {
  /** As names and values, instead of those of the client. */
  readonly conditions?: readonly string[];
  readonly isWhole?: boolean;
}

/** The headers for the origin. `conditions`: instead of the client's; `isWhole`: without the range that the client asks for. */
export function forwardedHeaders(
  { message, headers }: Pick<ProxiedRequest, "message" | "headers">,
  { conditions, isWhole = false }: ForwardOptions = {},
): string[] {
  const drop = new Set(OWN);
  if (conditions !== undefined) for (const name of CONDITIONS) drop.add(name);
  if (isWhole) drop.add("range");
  for (const name of Object.keys(headers)) if (UNKEYED.test(name)) drop.add(name);
  const forwarded = endToEnd(message.rawHeaders, drop);
  const length = headers["content-length"];
  if (length !== undefined && headers["transfer-encoding"] === undefined)
    forwarded.push("content-length", length);
  const address = message.socket.remoteAddress;
  if (address !== undefined) forwarded.push("x-forwarded-for", address);
  forwarded.push("via", `${message.httpVersion} ${VIA}`, "surrogate-capability", SURROGATE_CAPABILITY);
  return conditions === undefined ? forwarded : [...forwarded, ...conditions];
}

/** How this proxy names itself in Via. */
export const VIA = "meshcache";

/** All lines of each. Of a map, since a response may vary by any name, also one that objects have of their own. */
function seenBy(headers: RawHeaders): Map<string, string> {
  const seen = new Map<string, string>();
  for (let at = 0; at < headers.length; at += 2) {
    const name = (headers[at] ?? "").toLowerCase();
    const before = seen.get(name);
    const value = headers[at + 1] ?? "";
    seen.set(name, before === undefined ? value : `${before}, ${value}`);
  }
  return seen;
}
