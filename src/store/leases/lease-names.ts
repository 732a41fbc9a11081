/**
 * The namespaces and keys of a shard's leases, in shared memory. Other structures keep a fingerprint of a name. Leases
 * keep the text: a promoted waiter gets the key's stale entry, and an invalidation by prefix is compared with the key.
 *
 * A name is a chain of small blocks: most keys are short, and a few are long. Each block begins with the number of the
 * next one; the first block also has the length.
 */

import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";
import type { Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";

const BLOCK_BYTES = 64;
const LINK_BYTES = 4;
const FIRST_HEAD_BYTES = 8;
/** For its key and, where it is the first of its namespace, for that. */
const BLOCKS_PER_LEASE = 4;
/** One lease of the longest names finds room in any empty shard. */
const LARGEST_NAMES_BLOCKS = blocksOf(NAMESPACE_LIMIT_BYTES) + blocksOf(KEY_LIMIT_BYTES);

/** Holds a name while it is encoded or decoded. */
let scratch = Buffer.allocUnsafeSlow(1_024);

const blocksMaxOf = (leasesMax: number): number => leasesMax * BLOCKS_PER_LEASE + LARGEST_NAMES_BLOCKS;

export function leaseNamesBytes(leasesMax: number): number {
  return slotPoolBytes(blocksMaxOf(leasesMax), BLOCK_BYTES);
}

export class LeaseNames {
  readonly #pool: SlotPool;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;

  constructor(region: Region, leasesMax: number) {
    const bytes = leaseNamesBytes(leasesMax);
    this.#pool = new SlotPool(region, blocksMaxOf(leasesMax), BLOCK_BYTES);
    this.#words = new Uint32Array(region.buffer, region.begin, bytes / 4);
    this.#bytes = Buffer.from(region.buffer, region.begin, bytes);
  }

  /** Returns the first block of the name's chain, or 0 when there is no room for it. */
  write(name: string): number {
    const bytes = encode(name);
    if (this.#pool.freeCount < blocksOf(bytes)) return 0;
    const first = this.#pool.take();
    this.#words[wordOf(first) + 1] = bytes;
    let block = first;
    let done = 0;
    for (let headBytes = FIRST_HEAD_BYTES; ; headBytes = LINK_BYTES) {
      const part = Math.min(bytes - done, BLOCK_BYTES - headBytes);
      scratch.copy(this.#bytes, block * BLOCK_BYTES + headBytes, done, done + part);
      done += part;
      const next = done < bytes ? this.#pool.take() : 0;
      this.#words[wordOf(block)] = next;
      if (next === 0) return first;
      block = next;
    }
  }

  read(first: number): string {
    const bytes = this.#word(wordOf(first) + 1);
    const begin = first * BLOCK_BYTES + FIRST_HEAD_BYTES;
    if (bytes <= BLOCK_BYTES - FIRST_HEAD_BYTES) return this.#bytes.toString("utf8", begin, begin + bytes);
    reserve(bytes);
    let headBytes = FIRST_HEAD_BYTES;
    let done = 0;
    for (let block = first; done < bytes; block = this.#word(wordOf(block))) {
      const from = block * BLOCK_BYTES + headBytes;
      const part = Math.min(bytes - done, BLOCK_BYTES - headBytes);
      this.#bytes.copy(scratch, done, from, from + part);
      done += part;
      headBytes = LINK_BYTES;
    }
    return scratch.toString("utf8", 0, bytes);
  }

  free(first: number): void {
    for (let block = first; block !== 0; ) {
      const next = this.#word(wordOf(block));
      this.#pool.give(block);
      block = next;
    }
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }
}

/** How many blocks a name of so many bytes takes. */
function blocksOf(bytes: number): number {
  return Math.max(1, Math.ceil((FIRST_HEAD_BYTES - LINK_BYTES + bytes) / (BLOCK_BYTES - LINK_BYTES)));
}

const wordOf = (block: number): number => (block * BLOCK_BYTES) / 4;

/** Writes a text into the scratch buffer and returns its length in bytes. */
function encode(text: string): number {
  reserve(text.length * UTF8_MAX_BYTES_PER_UNIT);
  return scratch.write(text);
}

function reserve(bytes: number): void {
  if (bytes > scratch.length) scratch = Buffer.allocUnsafeSlow(bytes);
}
