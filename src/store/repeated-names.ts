/** The names that many events of a log repeat, each kept once under a number of one byte while events use it. */

/** Numbers are bytes, and 0 says that the name has none. */
const idsMax = 255;

export class RepeatedNames {
  readonly #ids = new Map<string, number>();
  /** By number. */
  readonly #names: string[] = [""];
  readonly #uses: number[] = [0];
  readonly #freed: number[] = [];

  /** The name's number, for one more event; 0 when too many other names are in use. */
  use(name: string): number {
    const id = this.#ids.get(name) ?? this.#add(name);
    if (id !== 0) this.#uses[id] = (this.#uses[id] ?? 0) + 1;
    return id;
  }

  /** One event less uses the name with this number. */
  release(id: number): void {
    if (id === 0) return;
    const uses = (this.#uses[id] ?? 0) - 1;
    this.#uses[id] = uses;
    if (uses > 0) return;
    this.#ids.delete(this.nameOf(id));
    this.#names[id] = "";
    this.#freed.push(id);
  }

  /** 0: no event that uses it has a number for it. */
  idOf(name: string): number {
    return this.#ids.get(name) ?? 0;
  }

  nameOf(id: number): string {
    return this.#names[id] ?? "";
  }

  #add(name: string): number {
    const id = this.#freed.pop() ?? this.#names.length;
    if (id > idsMax) return 0;
    this.#ids.set(name, id);
    this.#names[id] = name;
    this.#uses[id] = 0;
    return id;
  }
}
