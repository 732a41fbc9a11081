/**
 * A table of the namespaces or origins of a log, which many events repeat: each is kept once, under a number of one
 * byte, while an event refers to it.
 *
 * The numbers, their reference counts and the bytes of the names are in shared memory. Each thread also has the names
 * as strings, and decodes those anew that have changed since its last call.
 */
import { Buffer } from "node:buffer";
import { type MemoryPart, partOf } from "../shm/memory-part.ts";
import { alignedBytes, createCutter, type Region } from "../shm/region.ts";

/** A number is one byte, and 0 stands for "no number". */
const IDS_MAX = 255;
/** A longer name gets no number. */
const NAME_MAX_BYTES = 256;

/** A cell of eight bytes: how many times a number was given to a name or taken from it. */
const CHANGES_CELL = 0;
/** Then words: how many numbers were ever used, how many of those are free, and four tables. */
const TOUCHED_WORD = 2;
const FREE_COUNT_WORD = 3;
const USES_WORD = 16;
const NAME_BYTES_WORD = USES_WORD + IDS_MAX + 1;
const FREE_WORD = NAME_BYTES_WORD + IDS_MAX + 1;
/** A ring of the numbers that changed last. */
const CHANGED_WORD = FREE_WORD + IDS_MAX + 1;
const CHANGED_MAX = IDS_MAX + 1;

const TABLES_BYTES = alignedBytes(4 * (CHANGED_WORD + CHANGED_MAX));

/** The size of a region for one table. */
export const STRING_TABLE_BYTES = TABLES_BYTES + (IDS_MAX + 1) * NAME_MAX_BYTES;

export class StringTable {
  readonly #cells: Float64Array<SharedArrayBuffer>;
  /** The same memory. */
  readonly #words: Uint32Array<SharedArrayBuffer>;
  readonly #bytes: Buffer<SharedArrayBuffer>;
  /** How many changes this thread's strings include. */
  #seenChanges = 0;
  readonly #ids = new Map<string, number>();
  /** By number. */
  readonly #names: string[] = [""];

  constructor(region: Region) {
    const cut = createCutter(region.buffer, region.begin);
    const tables = cut(TABLES_BYTES);
    const names = cut((IDS_MAX + 1) * NAME_MAX_BYTES);
    this.#cells = new Float64Array(tables.buffer, tables.begin, 1);
    this.#words = new Uint32Array(tables.buffer, tables.begin, tables.bytes / 4);
    this.#bytes = Buffer.from(names.buffer, names.begin, names.bytes);
  }

  parts(): MemoryPart[] {
    return [
      partOf(this.#words, 1, this.#words.length),
      partOf(this.#bytes, this.#word(TOUCHED_WORD) + 1, NAME_MAX_BYTES),
    ];
  }

  /** Counts one more event with this name. Returns the name's number; 0 when the table is full or the name too long. */
  use(name: string): number {
    this.#catchUp();
    const id = this.#ids.get(name) ?? this.#add(name);
    if (id !== 0) this.#words[USES_WORD + id] = this.#word(USES_WORD + id) + 1;
    return id;
  }

  /** Counts one event less with the name of this number. */
  release(id: number): void {
    if (id === 0) return;
    const uses = this.#word(USES_WORD + id) - 1;
    this.#words[USES_WORD + id] = uses;
    if (uses === 0) this.#free(id);
  }

  /** 0: the name has no number. */
  idOf(name: string): number {
    this.#catchUp();
    return this.#ids.get(name) ?? 0;
  }

  /** Adds the numbers of all names that begin with `prefix`: at most 255. */
  addIdsWithPrefix(prefix: string, ids: number[]): void {
    this.#catchUp();
    for (const [name, id] of this.#ids) if (name.startsWith(prefix)) ids.push(id);
  }

  nameOf(id: number): string {
    this.#catchUp();
    return this.#names[id] ?? "";
  }

  #add(name: string): number {
    // A lone surrogate cannot be encoded: the other threads would decode another name.
    if (name.length > NAME_MAX_BYTES || !name.isWellFormed()) return 0;
    const nameBytes = Buffer.byteLength(name);
    const freeCount = this.#word(FREE_COUNT_WORD);
    const touched = this.#word(TOUCHED_WORD);
    if (nameBytes > NAME_MAX_BYTES || (freeCount === 0 && touched === IDS_MAX)) return 0;
    let id = touched + 1;
    if (freeCount === 0) {
      this.#words[TOUCHED_WORD] = id;
    } else {
      id = this.#word(FREE_WORD + freeCount - 1);
      this.#words[FREE_COUNT_WORD] = freeCount - 1;
    }
    this.#words[NAME_BYTES_WORD + id] = nameBytes;
    this.#bytes.write(name, id * NAME_MAX_BYTES);
    this.#ids.set(name, id);
    this.#names[id] = name;
    this.#changed(id);
    return id;
  }

  #free(id: number): void {
    this.#catchUp();
    const freeCount = this.#word(FREE_COUNT_WORD);
    this.#words[FREE_WORD + freeCount] = id;
    this.#words[FREE_COUNT_WORD] = freeCount + 1;
    this.#forget(id);
    this.#changed(id);
  }

  /** Records a change that this thread has made, and so has seen. */
  #changed(id: number): void {
    this.#words[CHANGED_WORD + (this.#seenChanges % CHANGED_MAX)] = id;
    this.#seenChanges++;
    this.#cells[CHANGES_CELL] = this.#seenChanges;
  }

  #catchUp(): void {
    if (this.#seenChanges !== this.#cells[CHANGES_CELL]) this.#readChanged(this.#cells[CHANGES_CELL] ?? 0);
  }

  #readChanged(changes: number): void {
    if (changes - this.#seenChanges > CHANGED_MAX) {
      const touched = this.#word(TOUCHED_WORD);
      for (let id = 1; id <= touched; id++) this.#readName(id);
    } else {
      for (let change = this.#seenChanges; change < changes; change++) {
        this.#readName(this.#word(CHANGED_WORD + (change % CHANGED_MAX)));
      }
    }
    this.#seenChanges = changes;
  }

  #readName(id: number): void {
    this.#forget(id);
    if (this.#word(USES_WORD + id) === 0) return;
    const begin = id * NAME_MAX_BYTES;
    const name = this.#bytes.toString("utf8", begin, begin + this.#word(NAME_BYTES_WORD + id));
    this.#ids.set(name, id);
    this.#names[id] = name;
  }

  #forget(id: number): void {
    const name = this.#names[id] ?? "";
    // The name may have been read under another number meanwhile.
    if (this.#ids.get(name) === id) this.#ids.delete(name);
    this.#names[id] = "";
  }

  #word(at: number): number {
    return this.#words[at] ?? 0;
  }
}
