/** What is refused before anything is done for it: other hosts, and requests whose parts do not agree with each other. */
import type { IncomingMessage } from "node:http";
import { VIA } from "./proxied-request.ts";
import { linesOf } from "./rules/header-fields.ts";

export interface Refusal {
  readonly status: number;
  readonly text: string;
  /** It is not clear where the request ends. */
  readonly endsConnection?: true;
}

/** Path and query. Node refuses spaces and control characters; what is not ASCII must be escaped. */
const TARGET = /^\/[\x21\x22\x24-\x7e]*$/;
const ABSOLUTE = /^https?:\/\/([^/?#]*)(\/.*)?$/i;
const LOOPS_MAX = 4;
/** What they do is not for a cache before a service to do. */
const REFUSED_METHODS: ReadonlySet<string> = new Set(["CONNECT", "TRACE"]);

/** Undefined: it may go on. Takes the host of an absolute target off it. */
export function refusalOf(
  message: IncomingMessage,
  isOwnHost: (host: string) => boolean,
): Refusal | undefined {
  const { method = "", rawHeaders, headers } = message;
  if (REFUSED_METHODS.has(method)) return { status: 405, text: "the method is not for a cache" };
  const hosts = linesOf(rawHeaders, "host");
  if (hosts.length > 1) return { status: 400, text: "there is more than one host" };
  const absolute = ABSOLUTE.exec(message.url ?? "");
  if (absolute !== null) message.url = absolute[2] ?? "/";
  const host = absolute?.[1] ?? hosts[0];
  if (host === undefined) return { status: 400, text: "there is no host" };
  if (!isOwnHost(host)) return { status: 421, text: "the host is not one of this proxy" };
  if (!TARGET.test(message.url ?? "")) return { status: 400, text: "the target is no path" };
  const encoding = headers["transfer-encoding"];
  // The coding would be lost on the way: only the chunks are taken apart here.
  if (encoding !== undefined && encoding.toLowerCase() !== "chunked")
    return { status: 501, text: "the transfer coding is not known", endsConnection: true };
  if (encoding !== undefined && (headers["content-length"] !== undefined || message.httpVersion !== "1.1"))
    return { status: 400, text: "the length of the body is not clear", endsConnection: true };
  if (headers.via === undefined) return undefined;
  const loops = linesOf(rawHeaders, "via").join(",").split(VIA).length - 1;
  return loops > LOOPS_MAX ? { status: 508, text: "the origin leads back to this proxy" } : undefined;
}
