/** The latest of some ids: the oldest is forgotten for each one beyond. */

export class RecentIds {
  readonly #max: number;
  readonly #ids: number[] = [];
  #next = 0;

  constructor(max: number) {
    this.#max = max;
  }

  add(id: number): void {
    this.#ids[this.#next] = id;
    this.#next = (this.#next + 1) % this.#max;
  }

  has(id: number): boolean {
    return this.#ids.includes(id);
  }
}
