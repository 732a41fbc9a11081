/**
 * Lists of the records of a map, first in first out: two cells of each record lead to its neighbours. A list is a ring,
 * so that its first record leads to both of its ends. 0 is the empty list.
 */
import type { RecordMap } from "../shm/record-map.ts";

export class RecordRing {
  readonly #map: RecordMap;
  readonly #previousCell: number;
  readonly #nextCell: number;

  /** `cell`: that of the previous record; the one behind it is that of the next. */
  constructor(map: RecordMap, cell: number) {
    this.#map = map;
    this.#previousCell = cell;
    this.#nextCell = cell + 1;
  }

  /** Puts a record at the end of the list that begins with `first`. Returns the first of the list. */
  append(first: number, slot: number): number {
    const next = first === 0 ? slot : first;
    const previous = first === 0 ? slot : this.#map.number(first, this.#previousCell);
    this.#link(previous, slot);
    this.#link(slot, next);
    return next;
  }

  /** Returns the first of what is left of the list that begins with `first`. */
  remove(first: number, slot: number): number {
    const next = this.#map.number(slot, this.#nextCell);
    if (next === slot) return 0;
    this.#link(this.#map.number(slot, this.#previousCell), next);
    return slot === first ? next : first;
  }

  #link(slot: number, next: number): void {
    this.#map.setNumber(slot, this.#nextCell, next);
    this.#map.setNumber(next, this.#previousCell, slot);
  }
}
