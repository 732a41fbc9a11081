/**
 * The namespaces and keys of a shard's leases, in shared memory. Other structures keep a fingerprint of a name. Leases
 * keep the text: an invalidation by prefix compares it, and a promoted waiter gets the key's stale entry.
 *
 * A name is a chain of small blocks: most keys are short, and a few are long. Each block begins with the number of the
 * next one; the first block also has the two lengths.
 */

import { KEY_LIMIT_BYTES, NAMESPACE_LIMIT_BYTES } from "../../common/name-limits.ts";
import { UTF8_MAX_BYTES_PER_UNIT } from "../../common/utf8.ts";
import type { Region } from "../shm/region.ts";
import { SlotPool, slotPoolBytes } from "../shm/slot-pool.ts";

const BLOCK_BYTES = 64;
const LINK_BYTES = 4;
const FIRST_HEAD_BYTES = 12;
const BLOCKS_PER_LEASE = 4;
/** One lease of the longest names finds room in any empty shard. */
const LARGEST_NAME_BLOCKS = blocksOf(NAMESPACE_LIMIT_BYTES + KEY_LIMIT_BYTES);

/** Holds a name while it is encoded or decoded. */
let scratch = Buffer.allocUnsafeSlow(1_024);

export interface LeaseName {
  readonly namespace: string;
  readonly key: string;
}

const blocksMaxOf = (leasesMax: number): number => leasesMax * BLOCKS_PER_LEASE + LARGEST_NAME_BLOCKS;

export function leaseKeysBytes(leasesMax: number): number {
  return slotPoolBytes(blocksMaxOf(leasesMax), BLOCK_BYTES);
}

export class LeaseKeys {
  readonly #pool: SlotPool;
  readonly #words: Uint32Array;
  readonly #bytes: Buffer;

  constructor(region: Region, leasesMax: number) {
    const bytes = leaseKeysBytes(leasesMax);
    this.#pool = new SlotPool(region, blocksMaxOf(leasesMax), BLOCK_BYTES);
    this.#words = new Uint32Array(region.buffer, region.begin, bytes / 4);
    this.#bytes = Buffer.from(region.buffer, region.begin, bytes);
  }

  /** Returns the first block of the name's chain, or 0 when there is no room for it. */
  write(namespace: string, key: string): number {
    const namespaceBytes = encode(namespace, 0);
    const bytes = encode(key, namespaceBytes);
    if (this.#pool.freeCount < blocksOf(bytes)) return 0;
    const first = this.#pool.take();
    this.#words[wordOf(first) + 1] = namespaceBytes;
    this.#words[wordOf(first) + 2] = bytes - namespaceBytes;
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

  read(first: number): LeaseName {
    const namespaceBytes = this.#word(wordOf(first) + 1);
    const bytes = namespaceBytes + this.#word(wordOf(first) + 2);
    reserve(bytes);
    this.#eachPart(first, bytes, (from, until, done) => {
      this.#bytes.copy(scratch, done, from, until);
      return true;
    });
    return {
      namespace: scratch.toString("utf8", 0, namespaceBytes),
      key: scratch.toString("utf8", namespaceBytes, bytes),
    };
  }

  /** A test whether a name has this namespace, and a key with this prefix. Valid until the next call. */
  matcher(namespace: string, prefix: string): (first: number) => boolean {
    const namespaceBytes = encode(namespace, 0);
    const bytes = encode(prefix, namespaceBytes);
    return (first) => {
      if (this.#word(wordOf(first) + 1) !== namespaceBytes) return false;
      if (this.#word(wordOf(first) + 2) < bytes - namespaceBytes) return false;
      return this.#eachPart(
        first,
        bytes,
        (from, until, done) => this.#bytes.compare(scratch, done, done + until - from, from, until) === 0,
      );
    };
  }

  free(first: number): void {
    for (let block = first; block !== 0; ) {
      const next = this.#word(wordOf(block));
      this.#pool.give(block);
      block = next;
    }
  }

  /** Visits the first `bytes` of a name, one block after the other. Stops, and returns false, when a visit does. */
  #eachPart(
    first: number,
    bytes: number,
    visit: (from: number, until: number, done: number) => boolean,
  ): boolean {
    let headBytes = FIRST_HEAD_BYTES;
    let done = 0;
    for (let block = first; done < bytes; block = this.#word(wordOf(block))) {
      const from = block * BLOCK_BYTES + headBytes;
      const part = Math.min(bytes - done, BLOCK_BYTES - headBytes);
      if (!visit(from, from + part, done)) return false;
      done += part;
      headBytes = LINK_BYTES;
    }
    return true;
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }
}

/** How many blocks a namespace and a key of so many bytes together take. */
function blocksOf(bytes: number): number {
  return Math.ceil((FIRST_HEAD_BYTES - LINK_BYTES + bytes) / (BLOCK_BYTES - LINK_BYTES));
}

const wordOf = (block: number): number => (block * BLOCK_BYTES) / 4;

/** Writes a text into the scratch buffer and returns where it ends. */
function encode(text: string, at: number): number {
  reserve(at + text.length * UTF8_MAX_BYTES_PER_UNIT);
  return at + scratch.write(text, at);
}

function reserve(bytes: number): void {
  if (bytes <= scratch.length) return;
  const larger = Buffer.allocUnsafeSlow(bytes);
  scratch.copy(larger);
  scratch = larger;
}
