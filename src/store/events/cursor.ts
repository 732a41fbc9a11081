/** Cursors as bytes: a format version, the epoch, the number of shards, the revision of each shard, and a CRC-32. */
import { crc32 } from "node:zlib";
import { type CacheError, fieldInvalid } from "../../common/errors.ts";

export interface CursorPosition {
  readonly epoch: bigint;
  /** By shard: every event up to this revision was read. */
  readonly revisions: readonly number[];
}

const FORMAT_VERSION = 1;
const HEAD_BYTES = 11;
const REVISION_BYTES = 8;
const CRC_BYTES = 4;

export function toCursor(epoch: bigint, revisions: ArrayLike<number>): Uint8Array {
  const bytes = new Uint8Array(HEAD_BYTES + revisions.length * REVISION_BYTES + CRC_BYTES);
  const view = new DataView(bytes.buffer);
  view.setUint8(0, FORMAT_VERSION);
  view.setBigUint64(1, epoch);
  view.setUint16(9, revisions.length);
  for (let shard = 0; shard < revisions.length; shard++) {
    const revision = revisions[shard] ?? 0;
    const at = HEAD_BYTES + shard * REVISION_BYTES;
    view.setUint32(at, Math.floor(revision / 0x1_0000_0000));
    view.setUint32(at + 4, revision >>> 0);
  }
  const body = bytes.subarray(0, bytes.length - CRC_BYTES);
  view.setUint32(body.length, crc32(body));
  return bytes;
}

/** Throws FIELD_INVALID for bytes that are no cursor. */
export function fromCursor(bytes: Uint8Array): CursorPosition {
  if (bytes.length < HEAD_BYTES + CRC_BYTES) throw invalid();
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const shards = view.getUint16(9);
  const bodyBytes = HEAD_BYTES + shards * REVISION_BYTES;
  if (
    view.getUint8(0) !== FORMAT_VERSION ||
    bytes.length !== bodyBytes + CRC_BYTES ||
    view.getUint32(bodyBytes) !== crc32(bytes.subarray(0, bodyBytes))
  ) {
    throw invalid();
  }
  const revisions: number[] = [];
  for (let shard = 0; shard < shards; shard++) {
    const revision = Number(view.getBigUint64(HEAD_BYTES + shard * REVISION_BYTES));
    if (!Number.isSafeInteger(revision)) throw invalid();
    revisions.push(revision);
  }
  return { epoch: view.getBigUint64(1), revisions };
}

function invalid(): CacheError {
  return fieldInvalid("cursor", "empty or a cursor that the server gave");
}
