/**
 * The bytes behind the head of a snapshot: the parts of memory one after the other, cut into blocks of 1 MiB, each with its
 * CRC-32. A checksum begins with that of the head and the number of the block: a block of another file, or of another place,
 * has a wrong one.
 */
import { crc32 } from "node:zlib";
import type { MemoryPart } from "../store/engine/store-image.ts";
import { CRC_BYTES, damaged } from "./head.ts";

export const BLOCK_BYTES = 1024 * 1024;

/** What blocks of so many bytes take in the file. */
export function blocksBytes(payloadBytes: number): number {
  return payloadBytes + Math.ceil(payloadBytes / BLOCK_BYTES) * CRC_BYTES;
}

/** Where to write, one piece after the other. The bytes are good during the call. */
export type WriteBytes = (bytes: Uint8Array) => void;

/** Writes parts as blocks. `seed`: the checksum of the head. */
export class BlockWriter {
  readonly #write: WriteBytes;
  readonly #seed: number;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES + CRC_BYTES);
  #used = 0;
  #blocks = 0;

  constructor(write: WriteBytes, seed: number) {
    this.#write = write;
    this.#seed = seed;
  }

  add(bytes: Uint8Array): void {
    for (let from = 0; from < bytes.length; ) {
      const taken = Math.min(bytes.length - from, BLOCK_BYTES - this.#used);
      this.#block.set(bytes.subarray(from, from + taken), this.#used);
      this.#used += taken;
      from += taken;
      if (this.#used === BLOCK_BYTES) this.end();
    }
  }

  /** Writes what is left. */
  end(): void {
    if (this.#used === 0) return;
    const crc = crc32(this.#block.subarray(0, this.#used), seedOf(this.#seed, this.#blocks));
    this.#block.writeUInt32LE(crc, this.#used);
    this.#write(this.#block.subarray(0, this.#used + CRC_BYTES));
    this.#used = 0;
    this.#blocks += 1;
  }
}

/** Reads what a `BlockWriter` has written. Gives out no byte of a block before it has checked all of it. */
export class BlockReader {
  readonly #read: (into: Uint8Array) => void;
  readonly #seed: number;
  readonly #block = Buffer.allocUnsafeSlow(BLOCK_BYTES + CRC_BYTES);
  #leftBytes: number;
  #begin = 0;
  #end = 0;
  #blocks = 0;

  /** `read`: fills an array with the next bytes of the file. `payloadBytes`: of all blocks. */
  constructor(read: (into: Uint8Array) => void, seed: number, payloadBytes: number) {
    this.#read = read;
    this.#seed = seed;
    this.#leftBytes = payloadBytes;
  }

  /** The next bytes, at most so many. Valid until the next call. Throws a SnapshotRefusal. */
  take(bytes: number): Uint8Array {
    if (this.#begin === this.#end) this.#next();
    const end = Math.min(this.#end, this.#begin + bytes);
    const taken = this.#block.subarray(this.#begin, end);
    this.#begin = end;
    return taken;
  }

  #next(): void {
    const bytes = Math.min(this.#leftBytes, BLOCK_BYTES);
    if (bytes === 0) throw damaged("it has fewer bytes than its head says");
    this.#read(this.#block.subarray(0, bytes + CRC_BYTES));
    const crc = crc32(this.#block.subarray(0, bytes), seedOf(this.#seed, this.#blocks));
    if (crc !== this.#block.readUInt32LE(bytes))
      throw damaged(`the checksum of block ${this.#blocks} is wrong`);
    this.#leftBytes -= bytes;
    this.#begin = 0;
    this.#end = bytes;
    this.#blocks += 1;
  }
}

/** The bytes of a part that are in use. */
export function usedBytes({ region, count, elementBytes }: MemoryPart): Uint8Array {
  return new Uint8Array(region.buffer, region.begin, count * elementBytes);
}

const seedOf = (seed: number, block: number): number => (seed ^ Math.imul(block + 1, 0x9e37_79b1)) >>> 0;
