/** Commands of the store as operations of the library: one argument each. */
import type {
  IncrementCommand,
  InvalidateCommand,
  LeaseCommand,
  SetCommand,
  SetCondition,
  TouchCommand,
  Writer,
} from "../../store/api/store.ts";
import { ENTRY_FLAG } from "./entry.ts";
import { entryName } from "./keys.ts";
import { OperationWriter } from "./operation-writer.ts";

export const OPERATION = {
  get: 1,
  set: 2,
  touch: 3,
  increment: 4,
  lease: 5,
  release: 6,
  invalidateKeys: 7,
  invalidateTags: 8,
  invalidatePrefix: 9,
  inspect: 10,
  sweep: 11,
  swept: 12,
} as const;
type OperationCode = (typeof OPERATION)[keyof typeof OPERATION];

/** Operations that an engine without memory takes, beside reads. */
const FREEING: ReadonlySet<number | undefined> = new Set([
  OPERATION.release,
  OPERATION.invalidateKeys,
  OPERATION.invalidateTags,
  OPERATION.invalidatePrefix,
  OPERATION.sweep,
  OPERATION.swept,
]);

export function isFreeing(operation: Uint8Array): boolean {
  return FREEING.has(operation[0]);
}

/** Operations that one call takes. */
export const CALL_MAX_OPERATIONS = 128;

const CONDITION = { always: 0, ifAbsent: 1, ifPresent: 2, ifVersion: 3, lease: 4 } as const;
/** More than all fields of an operation with a fixed size. */
const FIXED_MAX_BYTES = 128;
const TAIL_LENGTH_BYTES = 3;
const PREFIX_TARGET = 2;
const ALL_TARGET = 3;

interface On {
  readonly namespace: string;
  readonly key: string;
}

/**
 * The epoch of the shard that an epoch of the store stands for. Of 0n it is 0n; of one that is not the store's current one it
 * is `OTHER_EPOCH`.
 */
export type ShardEpochOf = (epoch: bigint) => bigint;
export const OTHER_EPOCH = 2n ** 64n - 1n;

const NOBODY: Writer = { origin: "", traceparent: "" };

/** The first argument of every call. `streamMaxRecords`: that the shard's stream keeps, about. */
export function callHeader(layoutId: Uint8Array, streamMaxRecords: number): Buffer {
  const bytes = Buffer.alloc(8);
  bytes.set(layoutId);
  bytes.writeUInt32BE(streamMaxRecords, 4);
  return bytes;
}

/** `metaOnly`: the entry without its value. */
export function getOperation({ namespace, key }: On, allowStale: boolean, metaOnly = false): Buffer {
  const flags = (metaOnly ? 1 : 0) | (allowStale ? 2 : 0);
  return begin(OPERATION.get, namespace, key, NOBODY).byte(flags).bytes;
}

export function inspectOperation({ namespace, key }: On): Buffer {
  return begin(OPERATION.inspect, namespace, key, NOBODY).bytes;
}

export function setOperation(command: SetCommand, shardEpochOf: ShardEpochOf): Buffer {
  const { namespace, key, tags, contentType, contentEncoding, value, condition } = command;
  const units = contentType.length + contentEncoding.length + unitsOf(tags);
  const writer = begin(OPERATION.set, namespace, key, command.writer, units, value.length + 2 * tags.length);
  writeCondition(writer, condition, shardEpochOf, command.firstEpoch);
  writer.uint64(command.requestId).uint64(command.sourceVersion);
  writer.number(command.ttlMs).number(command.staleMs);
  writer.byte((command.absent ? ENTRY_FLAG.absent : 0) | (tags.length > 0 ? ENTRY_FLAG.hasTags : 0));
  const lengthAt = writer.length;
  writer.skip(TAIL_LENGTH_BYTES).short(contentType).short(contentEncoding);
  for (const tag of tags) writer.long(tag);
  writer.lengthAt(lengthAt, writer.length - lengthAt - TAIL_LENGTH_BYTES);
  return writer.raw(value).bytes;
}

export function touchOperation({ namespace, key, writer, ttlMs, staleMs }: TouchCommand): Buffer {
  return begin(OPERATION.touch, namespace, key, writer).number(ttlMs).number(staleMs).bytes;
}

export function incrementOperation(command: IncrementCommand, shardEpochOf: ShardEpochOf): Buffer {
  const { namespace, key, condition } = command;
  const writer = begin(OPERATION.increment, namespace, key, command.writer);
  writeCondition(writer, condition, shardEpochOf, command.firstEpoch);
  writer.uint64(command.requestId).number(command.ttlMs).number(command.staleMs);
  return writer.short(String(command.delta)).short(String(command.initial)).bytes;
}

/** `token`: a new random one, other than 0n, which the lease has if it is granted. */
export function leaseOperation({ namespace, key, leaseMs }: LeaseCommand, token: bigint): Buffer {
  return begin(OPERATION.lease, namespace, key, NOBODY).number(leaseMs).uint64(token).bytes;
}

export function releaseOperation({ namespace, key }: On, token: bigint): Buffer {
  return begin(OPERATION.release, namespace, key, NOBODY).uint64(token).bytes;
}

/** `keys`: those of the command in this shard, each once. */
export function invalidateKeysOperation(command: InvalidateCommand, keys: readonly string[]): Buffer {
  const { namespace, soft, sourceVersion } = command;
  const writer = begin(
    OPERATION.invalidateKeys,
    namespace,
    "",
    command.writer,
    unitsOf(keys),
    2 * keys.length,
  );
  return writeTexts(writer.byte(soft ? 1 : 0).uint64(sourceVersion), keys);
}

/** `tags`: each once. */
export function invalidateTagsOperation(command: InvalidateCommand, tags: readonly string[]): Buffer {
  const { namespace, soft } = command;
  const writer = begin(
    OPERATION.invalidateTags,
    namespace,
    "",
    command.writer,
    unitsOf(tags),
    2 * tags.length,
  );
  return writeTexts(writer.byte(soft ? 1 : 0), tags);
}

/** `undefined`: every key of the namespace. */
export function invalidatePrefixOperation(command: InvalidateCommand, prefix: string | undefined): Buffer {
  const { namespace, soft } = command;
  return begin(OPERATION.invalidatePrefix, namespace, "", command.writer, prefix?.length ?? 0)
    .byte(soft ? 1 : 0)
    .byte(prefix === undefined ? ALL_TARGET : PREFIX_TARGET)
    .long(prefix ?? "").bytes;
}

/** What a scan of the engine has found in the shard, at most 64. */
export function sweepOperation(entries: readonly On[]): Buffer {
  const names = entries.map(({ namespace, key }) => entryName(namespace, key));
  return writeTexts(begin(OPERATION.sweep, "", "", NOBODY, unitsOf(names), 2 * names.length), names);
}

/** Every entry of the shard from before this revision of this epoch of the shard went through a sweep. */
export function sweptOperation(shardEpoch: bigint, revision: number): Buffer {
  return begin(OPERATION.swept, "", "", NOBODY).uint64(shardEpoch).number(revision).bytes;
}

function begin(
  code: OperationCode,
  namespace: string,
  key: string,
  { origin, traceparent }: Writer,
  textUnits = 0,
  otherBytes = 0,
): OperationWriter {
  const units = namespace.length + key.length + origin.length + traceparent.length + textUnits;
  return new OperationWriter(units, FIXED_MAX_BYTES + otherBytes)
    .byte(code)
    .short(namespace)
    .long(origin)
    .short(traceparent)
    .long(key);
}

/** With any other condition than "ifVersion" the epoch is that of a retry. */
function writeCondition(
  writer: OperationWriter,
  condition: SetCondition,
  shardEpochOf: ShardEpochOf,
  firstEpoch = 0n,
): void {
  writer.byte(CONDITION[condition.kind]);
  switch (condition.kind) {
    case "ifVersion":
      writer.uint64(BigInt(condition.version)).uint64(shardEpochOf(condition.epoch));
      break;
    case "lease":
      writer.uint64(condition.token).uint64(shardEpochOf(firstEpoch));
      break;
    default:
      writer.uint64(0n).uint64(shardEpochOf(firstEpoch));
  }
}

function writeTexts(writer: OperationWriter, texts: readonly string[]): Buffer {
  for (const text of texts) writer.long(text);
  return writer.bytes;
}

function unitsOf(texts: readonly string[]): number {
  return texts.reduce((units, text) => units + text.length, 0);
}
