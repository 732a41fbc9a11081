/**
 * The holders of leases whose streams are open: each with its token, which names it to a later stream, and the number of
 * its streams. In memory that all threads share, since the next stream of a client may be in another thread.
 */
import type { Rng } from "../../common/random.ts";
import type { LeaseHolder } from "../api/store.ts";
import { Cells, cellsBytes } from "../shm/cells.ts";
import { LOCK_BYTES, type Lock, NO_LOCK, SharedLock } from "../shm/lock.ts";
import { RecordMap, recordMapBytes } from "../shm/record-map.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

/** A holder beyond is not listed: its leases end with its only stream. */
const HOLDERS_MAX = 65_536;

const MAX_ID = 0xffff_ffff;

const CELL = { id: 0, streams: 1 } as const;
const CELLS = 2;
const OWN_CELL = { lastId: 0 } as const;
const OWN_BYTES = cellsBytes(1);

export function holderListBytes(): number {
  return [LOCK_BYTES, OWN_BYTES, recordMapBytes(HOLDERS_MAX, CELLS)].reduce(
    (sum, bytes) => sum + alignedBytes(bytes),
    0,
  );
}

export class HolderList {
  readonly #rng: Rng;
  readonly #lock: Lock;
  readonly #own: Cells;
  readonly #map: RecordMap;
  readonly #words = new Uint32Array(4);
  readonly #token = new BigUint64Array(this.#words.buffer, 0, 1);

  constructor(region: Region, rng: Rng, threads: number) {
    const cut = createCutter(region.buffer, region.begin);
    const lock = cut(LOCK_BYTES);
    this.#rng = rng;
    this.#lock = threads === 1 ? NO_LOCK : new SharedLock(lock);
    this.#own = new Cells(cut(OWN_BYTES));
    this.#map = new RecordMap(cut(recordMapBytes(HOLDERS_MAX, CELLS)), HOLDERS_MAX, CELLS);
  }

  /** A holder without a stream, which nobody can name. */
  unlisted(): LeaseHolder {
    return this.#locked(() => ({ id: this.#nextId(), token: 0n }));
  }

  /** The holder of a new stream: the one with the token `predecessor`, while it has a stream, or a new one. */
  open(predecessor: bigint): LeaseHolder {
    return this.#locked(() => {
      const known = predecessor === 0n ? 0 : this.#find(predecessor);
      if (known !== 0) {
        this.#map.setNumber(known, CELL.streams, this.#map.number(known, CELL.streams) + 1);
        return { id: this.#map.number(known, CELL.id), token: predecessor };
      }
      const id = this.#nextId();
      if (this.#map.count === HOLDERS_MAX) return { id, token: 0n };
      const token = this.#rng.uint64();
      const slot = this.#map.insert(this.#fingerprintOf(token));
      this.#map.setNumber(slot, CELL.id, id);
      this.#map.setNumber(slot, CELL.streams, 1);
      return { id, token };
    });
  }

  /** A stream of the holder is gone. True: it was the last one, and the holder is gone too. */
  close({ token }: LeaseHolder): boolean {
    if (token === 0n) return true;
    return this.#locked(() => {
      const slot = this.#find(token);
      if (slot === 0) return true;
      const streams = this.#map.number(slot, CELL.streams) - 1;
      if (streams > 0) this.#map.setNumber(slot, CELL.streams, streams);
      else this.#map.remove(slot);
      return streams <= 0;
    });
  }

  #locked<Result>(run: () => Result): Result {
    this.#lock.acquire();
    try {
      return run();
    } finally {
      this.#lock.release();
    }
  }

  /**
   * From 1: 0 is the holder of whoever names none. Below 2^32: it is used again only after as many streams and
   * connections.
   */
  #nextId(): number {
    const id = (this.#own.get(OWN_CELL.lastId) % MAX_ID) + 1;
    this.#own.set(OWN_CELL.lastId, id);
    return id;
  }

  #find(token: bigint): number {
    return this.#map.find(this.#fingerprintOf(token));
  }

  /** Tokens are random: they need no hash. */
  #fingerprintOf(token: bigint): Uint32Array {
    this.#token[0] = token;
    return this.#words;
  }
}
