/**
 * Get as an HTTP GET: an entity tag names what was read, and a reader that has it is told so without the value. Whoever keeps an
 * answer must ask each time before it uses it, or the bound on stale reads would not hold.
 */
import { isMessage, type Message } from "@bufbuild/protobuf";
import type { UniversalServerResponse } from "@connectrpc/connect/protocol";
import { GetResponseSchema, type Hit } from "../../gen/meshcache/v1/cache_pb.ts";

export const MUST_ASK = "no-cache";
const KEEP_NOTHING = "no-store";

/** Sets the headers of an answer to a GET. */
export function markConditional(answer: Message, headers: Headers): void {
  const tag = entityTagOf(answer);
  headers.set("cache-control", tag === undefined ? KEEP_NOTHING : MUST_ASK);
  if (tag !== undefined) headers.set("etag", tag);
}

/** Weak: the times in an answer differ from one to the next. Undefined: it is no entry. */
function entityTagOf(answer: Message): string | undefined {
  if (!isMessage(answer, GetResponseSchema) || answer.outcome.case !== "hit") return undefined;
  return `W/${toEntityTag(answer.asOf?.epoch ?? 0n, answer.outcome.value)}`;
}

/** Of an entry with this version: within quotes. A stale one has another tag than the same while it was fresh. */
export function toEntityTag(epoch: bigint, { version, stale }: Pick<Hit, "version" | "stale">): string {
  return `"${epoch.toString(16)}-${version}${stale ? "-stale" : ""}"`;
}

/** Whether the header `If-None-Match` names this tag, compared weakly (RFC 9110, section 13.1.2). */
export function isNoneMatch(header: string | null | undefined, tag: string): boolean {
  if (header === null || header === undefined) return false;
  return header
    .split(",")
    .map((one) => one.trim().replace(/^W\//, ""))
    .some((one) => one === "*" || one === tag.replace(/^W\//, ""));
}

/** An answer to a GET, or that its reader has it already. */
export function unlessKnown(answer: UniversalServerResponse, header: string | null): UniversalServerResponse {
  const tag = answer.header?.get("etag");
  if (typeof tag !== "string" || !isNoneMatch(header, tag)) return answer;
  return { status: 304, header: new Headers({ etag: tag, "cache-control": MUST_ASK }) };
}
