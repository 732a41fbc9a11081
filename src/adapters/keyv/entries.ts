/** What the stores for Keyv have in common: entries of one namespace of the cache, under the prefix of Keyv's namespace. */

import { EventEmitter } from "node:events";
import { checkCacheOptions } from "../../client/api/cache-option.ts";
import { text } from "../../client/api/codecs.ts";
import { optionNames } from "../../client/api/option-names.ts";
import type { Outcome } from "../../client/api/results.ts";
import type { MeshCache } from "../../client/mesh-cache.ts";
import type { Namespace } from "../../client/namespace.ts";
import { CacheError } from "../../common/errors.ts";
import { ForeignKeys } from "../foreign-keys.ts";
import { toLifetimeMs } from "../lifetimes.ts";

export interface KeyvStoreOptions {
  /** Keeps the entries. To disconnect Keyv leaves it open. */
  readonly cache: MeshCache;
  /** Where they are kept; default "keyv". The namespaces of Keyv are prefixes in it. */
  readonly namespace?: string;
  /** What a read does that fails: emit "error" and find nothing, or reject. Writes reject, which Keyv makes `false` of. Default true. */
  readonly failOpen?: boolean;
}

const OPTIONS = optionNames<KeyvStoreOptions>({ cache: true, namespace: true, failOpen: true });

/** Keys whose values are asked for together in an iteration. */
const ITERATION_KEYS = 100;
/** Writes of one call that are under way at the same time: a part of what the window of the client has room for. */
const WRITES_MAX = 1_000;

/** As Keyv 6 declares listeners. */
// biome-ignore lint/suspicious/noExplicitAny: any arguments.
type Listener = (...given: any[]) => void;

export abstract class KeyvEntries extends EventEmitter {
  /** Keyv 5 iterates over stores of the dialects that it knows, and of no others. */
  // biome-ignore lint/suspicious/noExplicitAny: as Keyv declares it.
  readonly opts: any = { dialect: "redis", url: "" };
  readonly #entries: Namespace<string>;
  readonly #failOpen: boolean;
  #namespace: string | undefined;
  #keys = new ForeignKeys();

  constructor(options: KeyvStoreOptions) {
    super();
    checkCacheOptions(options, OPTIONS);
    const { cache, namespace = "keyv", failOpen = true } = options;
    this.#entries = cache.namespace(namespace, { codec: text(), undecodable: "miss" });
    this.#failOpen = failOpen;
  }

  /** Keyv sets it. */
  get namespace(): string | undefined {
    return this.#namespace;
  }

  set namespace(namespace: string | undefined) {
    this.#namespace = namespace;
    this.#keys = new ForeignKeys(namespace);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as Keyv declares it; a value here is always text.
  async get(key: string): Promise<any> {
    return this.#read(async () => toValue(await this.#entries.get(this.#keys.toKey(key))), undefined);
  }

  // biome-ignore lint/suspicious/noExplicitAny: as Keyv declares it.
  async getMany(keys: string[]): Promise<any[]> {
    return this.#read(
      async () => (await this.#getMany(keys.map((key) => this.#keys.toKey(key)))).map(toValue),
      keys.map(() => undefined),
    );
  }

  async has(key: string): Promise<boolean> {
    return this.#read(async () => (await this.#entries.get(this.#keys.toKey(key))).kind === "hit", false);
  }

  async hasMany(keys: string[]): Promise<boolean[]> {
    return this.#read(
      async () =>
        (await this.#getMany(keys.map((key) => this.#keys.toKey(key)))).map(({ kind }) => kind === "hit"),
      keys.map(() => false),
    );
  }

  async delete(key: string): Promise<boolean> {
    return (await this.#entries.invalidate({ keys: [this.#keys.toKey(key)] })).removed > 0;
  }

  async clear(): Promise<void> {
    await this.#entries.invalidate({ prefix: this.#keys.prefix });
  }

  /** The application closes its client. */
  async disconnect(): Promise<void> {}

  /** Pairs of a key and a value. Keys that are too long come as their beginning, `#sha256:` and their hash. */
  // biome-ignore lint/suspicious/noExplicitAny: as Keyv declares it.
  async *iterator(): AsyncGenerator<any[], void> {
    const keys = this.#keys;
    let some: string[] = [];
    for await (const { key, absent } of this.#entries.keys({ prefix: keys.prefix })) {
      if (!absent) some.push(key);
      if (some.length < ITERATION_KEYS) continue;
      yield* this.#pairs(keys, some);
      some = [];
    }
    yield* this.#pairs(keys, some);
  }

  override listeners(event: string | symbol): Listener[] {
    return super.listeners(event) as Listener[];
  }

  override rawListeners(event: string | symbol): Listener[] {
    return super.rawListeners(event) as Listener[];
  }

  /** `undefined`: until it is deleted or evicted. A lifetime that has ended already deletes. */
  protected async put(key: string, value: unknown, ttlMs: number | undefined): Promise<boolean> {
    const lifetimeMs = toLifetimeMs(ttlMs);
    if (lifetimeMs === undefined) {
      await this.delete(key);
      return true;
    }
    // The codec refuses what is no text.
    const stored = await this.#entries.set(this.#keys.toKey(key), value as string, { ttlMs: lifetimeMs });
    return stored.kind === "stored";
  }

  /** For any number of items. */
  protected async each<Item>(
    items: readonly Item[],
    write: (item: Item) => Promise<boolean>,
  ): Promise<boolean[]> {
    const written: boolean[] = [];
    for (let from = 0; from < items.length; from += WRITES_MAX) {
      for (const each of await Promise.all(items.slice(from, from + WRITES_MAX).map(write)))
        written.push(each);
    }
    return written;
  }

  #getMany(keys: readonly string[]): Promise<Outcome<string>[]> {
    return this.#entries.getMany(keys);
  }

  async *#pairs(keys: ForeignKeys, some: readonly string[]): AsyncGenerator<[string, string], void> {
    const outcomes = await this.#getMany(some);
    for (const [index, key] of some.entries()) {
      const value = toValue(outcomes[index]);
      // What has gone since it was listed is left out.
      if (value !== undefined) yield [keys.toForeign(key), value];
    }
  }

  async #read<Result>(read: () => Promise<Result>, nothing: Result): Promise<Result> {
    try {
      return await read();
    } catch (error) {
      if (!this.#failOpen || !(error instanceof CacheError)) throw error;
      this.emit("error", error);
      return nothing;
    }
  }
}

function toValue(outcome: Outcome<string> | undefined): string | undefined {
  return outcome?.kind === "hit" ? outcome.value : undefined;
}
