/** Puts the keys that one call of `getOrLoadMany` has to load into as few runs of its loader as the leases allow. */
import { checkPairs } from "../api/checks.ts";
import { type Loaded, type LoadedMany, type LoaderResult, toLoaded } from "../api/load-result.ts";

interface Waiting<Value> {
  readonly key: string;
  readonly loaded: PromiseWithResolvers<Loaded<Value>>;
}

/**
 * The first run begins when the server has said of every key whether it is to be loaded, so it takes all of these. A key that
 * another process was loading, and did not, comes in a later run.
 */
export class LoadGroup<Value> {
  readonly #run: (keys: readonly string[]) => Promise<LoadedMany<Value>>;
  readonly #asking = new Set<string>();
  #waiting: Waiting<Value>[] = [];
  #isDue = false;

  constructor(run: (keys: readonly string[]) => Promise<LoadedMany<Value>>) {
    this.#run = run;
  }

  /** The server is asked for the key. */
  ask(key: string): void {
    this.#asking.add(key);
  }

  /** It is known whether the key is to be loaded now. Twice does nothing. */
  asked(key: string): void {
    if (this.#asking.delete(key)) this.#schedule();
  }

  /** The key is to be loaded. A key that the loader does not return is absent. */
  load(key: string): Promise<Loaded<Value>> {
    const loaded = Promise.withResolvers<Loaded<Value>>();
    this.#waiting.push({ key, loaded });
    this.#schedule();
    return loaded.promise;
  }

  #schedule(): void {
    if (this.#isDue || this.#asking.size > 0 || this.#waiting.length === 0) return;
    this.#isDue = true;
    void this.#loadSoon();
  }

  /** After the microtasks of the answers that came together: more keys may come with them. */
  async #loadSoon(): Promise<void> {
    await undefined;
    await undefined;
    this.#isDue = false;
    await this.#load();
  }

  async #load(): Promise<void> {
    const waiting = this.#waiting;
    this.#waiting = [];
    try {
      const found = toMap(await this.#run(waiting.map(({ key }) => key)));
      for (const { key, loaded } of waiting) loaded.resolve(toLoaded<Value>(found.get(key)));
    } catch (error) {
      for (const { loaded } of waiting) loaded.reject(error);
    }
  }
}

function toMap<Value>(found: LoadedMany<Value>): ReadonlyMap<string, LoaderResult<Value>> {
  return new Map(checkPairs("what the loader returned", found));
}
