/**
 * The invalidations of one namespace that wait for a connection, merged by name: a key, tag or prefix that is invalidated
 * many times waits once. All of them together can become a clear of the namespace, which does what they were to do.
 */
import { QueuedName } from "./queued-name.ts";

/** What a name takes beside its text: the object, its places in a map and in sets. Estimated. */
const NAME_OVERHEAD_BYTES = 256;

const HARD_CLEAR = new QueuedName("all", "", false, 0n).identity;

export class QueuedNames {
  readonly #names = new Map<string, QueuedName>();
  #bytes = 0;
  /** There was no room for the names: they are a clear, and so is each that comes before it is sent. */
  #overflowed = false;

  get size(): number {
    return this.#names.size;
  }

  get bytes(): number {
    return this.#bytes;
  }

  all(): QueuedName[] {
    return [...this.#names.values()];
  }

  add(name: QueuedName): void {
    if (this.#overflowed) {
      this.#addToOverflow(name);
      return;
    }
    const clear = this.#names.get(HARD_CLEAR);
    if (clear !== undefined && isDoneByClear(name)) {
      clear.takeOver(name);
      return;
    }
    if (name.identity === HARD_CLEAR) this.#absorb(name);
    this.#put(name);
  }

  /** Replaces all names by one clear of the namespace. It is soft if all of them are. Source versions are lost. */
  overflow(): void {
    this.#clear(this.take());
  }

  /** Takes all names. */
  take(): QueuedName[] {
    const names = this.all();
    this.#names.clear();
    this.#bytes = 0;
    this.#overflowed = false;
    return names;
  }

  #addToOverflow(name: QueuedName): void {
    const [clear] = this.#names.values();
    // All who wait for the clear would move with each name.
    if (clear !== undefined && (name.soft || !clear.soft)) {
      clear.takeOver(name);
      clear.sourceVersion = 0n;
    } else this.#clear([...this.take(), name]);
  }

  #clear(names: readonly QueuedName[]): void {
    const soft = names.every((name) => name.soft);
    const clear = new QueuedName("all", "", soft, 0n);
    for (const name of names) clear.takeOver(name);
    clear.sourceVersion = 0n;
    this.#put(clear);
    this.#overflowed = true;
  }

  #absorb(clear: QueuedName): void {
    for (const name of this.#names.values()) {
      if (!isDoneByClear(name)) continue;
      clear.takeOver(name);
      this.#names.delete(name.identity);
      this.#bytes -= bytesOf(name);
    }
  }

  #put(name: QueuedName): void {
    const { identity } = name;
    const known = this.#names.get(identity);
    if (known !== undefined) known.takeOver(name);
    else {
      this.#names.set(identity, name);
      this.#bytes += bytesOf(name);
    }
  }
}

/** One with a source version also leaves that version behind, which a clear does not. */
const isDoneByClear = ({ sourceVersion }: QueuedName): boolean => sourceVersion === 0n;

const bytesOf = ({ name }: QueuedName): number => 2 * name.length + NAME_OVERHEAD_BYTES;
