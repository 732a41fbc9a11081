/** ListKeys: request to command, result to response, and the token of a page. */
import { crc32 } from "node:zlib";
import type { KeyInfo, ListKeysRequest, ListKeysResponse } from "../../gen/meshcache/v1/cache_pb.ts";
import { type CacheError, fieldInvalid } from "../common/errors.ts";
import type { KeyView, ListKeysCommand, ListKeysResult, ListPosition } from "../store/api/store.ts";
import { toStamp } from "./entry.ts";
import type { Limits } from "./limits.ts";
import { checkKey, checkNamespace } from "./validate.ts";

const KEYS_DEFAULT = 100;
/** The most keys of a page. */
export const KEYS_MAX = 1_000;

/** The store that is listed. */
interface Listed {
  readonly epoch: bigint;
  readonly shardCount: number;
}

export function fromListKeysRequest(
  request: ListKeysRequest,
  store: Listed,
  limits: Limits,
  defaultNamespace = "",
): ListKeysCommand {
  const namespace = checkNamespace(request.namespace, defaultNamespace, limits);
  const { prefix, maxKeys, pageToken } = request;
  if (prefix !== "") checkKey(prefix, limits, "prefix");
  if (maxKeys > KEYS_MAX) throw fieldInvalid("max_keys", `0 to ${KEYS_MAX}`);
  return {
    namespace,
    prefix,
    maxKeys: maxKeys === 0 ? KEYS_DEFAULT : maxKeys,
    from: pageToken.length === 0 ? undefined : fromPageToken(pageToken, store, listIdOf(namespace, prefix)),
  };
}

export function toListKeysResponse(
  { keys, stamps, next }: ListKeysResult,
  { namespace, prefix }: ListKeysCommand,
  { epoch }: Listed,
): ListKeysResponse {
  return {
    $typeName: "meshcache.v1.ListKeysResponse",
    keys: keys.map(toKeyInfo),
    nextPageToken:
      next === undefined ? new Uint8Array(0) : toPageToken(epoch, listIdOf(namespace, prefix), next),
    stamps: stamps.map((stamp) => toStamp(epoch, stamp)),
  };
}

function toKeyInfo(key: KeyView): KeyInfo {
  return {
    $typeName: "meshcache.v1.KeyInfo",
    key: key.key,
    version: BigInt(key.version),
    valueBytes: BigInt(key.valueBytes),
    ttlRemainingMs: BigInt(key.ttlRemainingMs),
    staleRemainingMs: BigInt(key.staleRemainingMs),
    stale: key.stale,
    absent: key.absent,
  };
}

/*
 * A token: the format, the epoch, what is listed, the shard, the position in 48 bits, and a CRC-32 of all before. It says
 * nothing that the caller may not know, and one that is made up lists no more than the caller may list.
 */
const TOKEN_FORMAT = 1;
const EPOCH_AT = 1;
const LIST_AT = 9;
const SHARD_AT = 13;
const POSITION_AT = 15;
const CRC_AT = 21;
const TOKEN_BYTES = 25;

/** Tells listings apart: another namespace or prefix has another number, but for one in four thousand million. */
function listIdOf(namespace: string, prefix: string): number {
  return crc32(`${namespace}:${prefix}`);
}

function toPageToken(epoch: bigint, list: number, { shard, position }: ListPosition): Uint8Array {
  const bytes = new Uint8Array(TOKEN_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, TOKEN_FORMAT);
  view.setBigUint64(EPOCH_AT, epoch);
  view.setUint32(LIST_AT, list);
  view.setUint16(SHARD_AT, shard);
  view.setUint16(POSITION_AT, Math.floor(position / 2 ** 32));
  view.setUint32(POSITION_AT + 2, position % 2 ** 32);
  view.setUint32(CRC_AT, crc32(bytes.subarray(0, CRC_AT)));
  return bytes;
}

function fromPageToken(bytes: Uint8Array, { epoch, shardCount }: Listed, list: number): ListPosition {
  if (bytes.length !== TOKEN_BYTES) throw invalid();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const isWhole = view.getUint32(CRC_AT) === crc32(bytes.subarray(0, CRC_AT));
  if (!isWhole || bytes[0] !== TOKEN_FORMAT) throw invalid();
  const shard = view.getUint16(SHARD_AT);
  const position = view.getUint16(POSITION_AT) * 2 ** 32 + view.getUint32(POSITION_AT + 2);
  const isOfList = view.getBigUint64(EPOCH_AT) === epoch && view.getUint32(LIST_AT) === list;
  if (!isOfList || shard >= shardCount) throw invalid();
  return { shard, position };
}

function invalid(): CacheError {
  return fieldInvalid(
    "page_token",
    "empty, or of the last page of the same namespace and prefix, since the server began",
  );
}
