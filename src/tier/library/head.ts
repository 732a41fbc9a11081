/** The head of a shard, as the library writes it. */

export interface ShardHead {
  /** Of the shard: a new one at each claim. */
  readonly epoch: bigint;
  /** The replication id of the node whose library wrote it. */
  readonly owner: string;
  readonly revision: number;
  /** Entries of this version and older ones are gone: the shard was claimed. */
  readonly base: number;
  /** The newest fence of a tag that entries are to be compared with; 0: none. */
  readonly newestTag: number;
  /** As `newestTag`, of a prefix or a namespace. */
  readonly newestPrefix: number;
  /** The greatest time of the engine that a mutation has seen, in milliseconds. */
  readonly timeMs: number;
  readonly layoutId: Buffer;
}

const FORMAT = 1;
const HEAD_BYTES = 105;
const OWNER_AT = 9;
const REVISION_AT = 49;
const LAYOUT_AT = 101;
const NUMBER_BYTES = 6;

/** Undefined: it is of another format. */
export function readHead(bytes: Buffer): ShardHead | undefined {
  if (bytes.length !== HEAD_BYTES || bytes[0] !== FORMAT) return undefined;
  const number = (index: number): number =>
    bytes.readUIntBE(REVISION_AT + index * NUMBER_BYTES, NUMBER_BYTES);
  return {
    epoch: bytes.readBigUInt64BE(1),
    owner: bytes.toString("latin1", OWNER_AT, REVISION_AT),
    revision: number(0),
    base: number(1),
    newestTag: number(2),
    newestPrefix: number(3),
    timeMs: number(4),
    layoutId: bytes.subarray(LAYOUT_AT),
  };
}
