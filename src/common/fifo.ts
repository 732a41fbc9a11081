/** A queue whose every step takes the same time: `shift` of a long array moves all that is left. */

/** So many places that were emptied are given back at the earliest, when they are half of the list. */
const COMPACT_MIN = 1_024;

export class Fifo<Item extends object> {
  #items: (Item | undefined)[] = [];
  #from = 0;

  get length(): number {
    return this.#items.length - this.#from;
  }

  push(item: Item): void {
    this.#items.push(item);
  }

  /** The first item, which stays. */
  peek(): Item | undefined {
    return this.#items[this.#from];
  }

  /** Takes the first item. */
  shift(): Item | undefined {
    const item = this.#items[this.#from];
    if (this.#from === this.#items.length) return undefined;
    // A taken item must not stay alive.
    this.#items[this.#from] = undefined;
    this.#from += 1;
    if (this.#from === this.#items.length) this.clear();
    else if (this.#from >= COMPACT_MIN && this.#from * 2 >= this.#items.length) {
      const items = this.#items;
      this.#items = items.slice(this.#from);
      // Else the former list, once it is old, would keep the items until a full collection.
      items.fill(undefined);
      this.#from = 0;
    }
    return item;
  }

  clear(): void {
    this.#items.length = 0;
    this.#from = 0;
  }

  /** All items, the first one first. They stay. */
  toArray(): Item[] {
    const items: Item[] = [];
    for (let at = this.#from; at < this.#items.length; at += 1) {
      const item = this.#items[at];
      if (item !== undefined) items.push(item);
    }
    return items;
  }
}
