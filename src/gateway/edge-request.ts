/** What a request of the REST face asks for, as messages of CacheService: paths, headers and conditions. */
import { create } from "@bufbuild/protobuf";
import {
  type GetRequest,
  GetRequestSchema,
  type InvalidateRequest,
  InvalidateRequestSchema,
  type SetRequest,
  SetRequestSchema,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { fieldInvalid } from "../common/errors.ts";
import type { HeaderReader } from "../server/calls/registry.ts";
import type { MoreHeaders } from "./browser-rules.ts";
import { toContentEncoding } from "./content-coding.ts";
import { scanJson } from "./json-scan.ts";

export interface EntryPath {
  readonly namespace: string;
  readonly key: string;
}

/** Beyond those of any HTTP API. */
export const EDGE_HEADERS: MoreHeaders = {
  ofRequests: [
    "content-encoding",
    "meshcache-allow-stale",
    "meshcache-stale-ms",
    "meshcache-tags",
    "meshcache-ttl-ms",
  ],
  ofAnswers: [
    "meshcache-absent",
    "meshcache-content-encoding",
    "meshcache-stale",
    "meshcache-tags",
    "meshcache-ttl-ms",
  ],
};

const BASE = "/v1/";
const ENTITY_TAG = /^"([0-9a-f]{1,16})-(\d{1,16})(?:-stale)?"$/;
const JSON_TYPE = /^application\/(?:[\w.+-]+\+)?json(?:\s*;|\s*$)/i;

/** Undefined: it is no path of an entry. A key may have slashes. Throws FIELD_INVALID for a malformed one. */
export function pathOf(url: string): EntryPath | undefined {
  const [path = ""] = url.split("?", 1);
  if (!path.startsWith(BASE)) return undefined;
  const at = path.indexOf("/", BASE.length);
  if (at < 0) return undefined;
  return {
    namespace: decoded(path.slice(BASE.length, at), "namespace"),
    key: decoded(path.slice(at + 1), "key"),
  };
}

/** Throws FIELD_INVALID for a header. */
export function toGetRequest({ namespace, key }: EntryPath, header: HeaderReader): GetRequest {
  const allowStale = header("meshcache-allow-stale") ?? "false";
  if (allowStale !== "true" && allowStale !== "false")
    throw fieldInvalid("meshcache-allow-stale", '"true" or "false"');
  return create(GetRequestSchema, { namespace, key, allowStale: allowStale === "true" });
}

/** `value`: copied by nobody. Throws FIELD_INVALID for a header, or for a plain value that should be JSON and is none. */
export function toSetRequest(
  { namespace, key }: EntryPath,
  header: HeaderReader,
  value: Uint8Array,
): SetRequest {
  const contentType = header("content-type") ?? "";
  const contentEncoding = toContentEncoding(header("content-encoding"));
  if (contentEncoding === "" && JSON_TYPE.test(contentType)) {
    const { faultAt } = scanJson(value);
    if (faultAt !== undefined) throw fieldInvalid("value", `JSON, and is none from byte ${faultAt} on`);
  }
  return create(SetRequestSchema, {
    namespace,
    key,
    value,
    contentType,
    contentEncoding,
    ttlMs: milliseconds("meshcache-ttl-ms", header),
    staleMs: milliseconds("meshcache-stale-ms", header),
    tags: tagsOf(header("meshcache-tags")),
    ...conditionOf(header),
  });
}

/** Throws FIELD_INVALID for a condition: an invalidation has none. */
export function toInvalidateRequest({ namespace, key }: EntryPath, header: HeaderReader): InvalidateRequest {
  for (const name of ["if-match", "if-none-match"]) {
    if (header(name) !== undefined) throw fieldInvalid(name, "left out of a DELETE");
  }
  return create(InvalidateRequestSchema, { namespace, target: { case: "keys", value: { keys: [key] } } });
}

function conditionOf(header: HeaderReader): Partial<Pick<SetRequest, "condition" | "ifEpoch">> {
  const match = header("if-match");
  const noneMatch = header("if-none-match");
  if (noneMatch !== undefined) {
    if (noneMatch.trim() !== "*" || match !== undefined)
      throw fieldInvalid("if-none-match", '"*" and alone, in a PUT');
    return { condition: { case: "ifAbsent", value: true } };
  }
  if (match === undefined) return {};
  if (match.trim() === "*") return { condition: { case: "ifPresent", value: true } };
  const [, epoch, version] = ENTITY_TAG.exec(match.trim()) ?? [];
  if (epoch === undefined || version === undefined)
    throw fieldInvalid("if-match", '"*", or one entity tag that a GET had');
  return { condition: { case: "ifVersion", value: BigInt(version) }, ifEpoch: BigInt(`0x${epoch}`) };
}

function milliseconds(name: string, header: HeaderReader): bigint {
  const text = header(name) ?? "0";
  if (!/^\d{1,16}$/.test(text)) throw fieldInvalid(name, "a whole number of milliseconds");
  return BigInt(text);
}

/** Separated by commas; what is no letter or digit may be percent-encoded, and a comma must be. */
function tagsOf(header: string | undefined): string[] {
  const texts = (header ?? "").split(",").map((text) => text.trim());
  return texts.filter((text) => text !== "").map((text) => decoded(text, "meshcache-tags"));
}

function decoded(text: string, field: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    throw fieldInvalid(field, "percent-encoded UTF-8");
  }
}
