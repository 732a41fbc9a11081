/**
 * A doubly linked list through its items, in the order of their addition.
 *
 * For what comes and goes all the time, in the place of a Set: a Set is rebuilt again and again as items come and go,
 * and each former table keeps its items, with all that they refer to, until a full collection.
 */

/** The links of an item, which only its list writes. An item is in one list at a time. */
export interface Linked<Item> {
  older: Item | undefined;
  newer: Item | undefined;
}

export class LinkedList<Item extends Linked<Item>> implements Iterable<Item> {
  #oldest: Item | undefined;
  #newest: Item | undefined;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  get oldest(): Item | undefined {
    return this.#oldest;
  }

  get newest(): Item | undefined {
    return this.#newest;
  }

  /** `item` is in this list. Not to be asked about an item of another one. */
  has(item: Item): boolean {
    return item.older !== undefined || this.#oldest === item;
  }

  /** Adds an item that is in no list. */
  add(item: Item): void {
    item.older = this.#newest;
    if (this.#newest === undefined) this.#oldest = item;
    else this.#newest.newer = item;
    this.#newest = item;
    this.#size += 1;
  }

  /** False when the item was not in the list. */
  delete(item: Item): boolean {
    const { older, newer } = item;
    if (older === undefined && this.#oldest !== item) return false;
    if (older === undefined) this.#oldest = newer;
    else older.newer = newer;
    if (newer === undefined) this.#newest = older;
    else newer.older = older;
    // A deleted item that still led to others would keep them from the collector.
    item.older = undefined;
    item.newer = undefined;
    this.#size -= 1;
    return true;
  }

  /** Oldest first. An item may be deleted while it is visited, and no other. */
  *[Symbol.iterator](): Generator<Item> {
    let next: Item | undefined;
    for (let item = this.#oldest; item !== undefined; item = next) {
      next = item.newer;
      yield item;
    }
  }
}
