/** The store for Keyv 5, which gives lifetimes. Keyv 6 can use it too, through a bridge of its own. */
import { KeyvEntries, type KeyvStoreOptions } from "./entries.ts";

export interface KeyvItem {
  readonly key: string;
  readonly value: unknown;
  /** In milliseconds. */
  readonly ttl?: number;
}

export class KeyvStore extends KeyvEntries {
  /** `ttl` is in milliseconds; `undefined` and Infinity are none. */
  async set(key: string, value: unknown, ttl?: number): Promise<boolean> {
    return this.put(key, value, ttl);
  }

  async setMany(items: KeyvItem[]): Promise<void> {
    await this.each(items, ({ key, value, ttl }) => this.put(key, value, ttl));
  }

  /** True: at least one was there. */
  async deleteMany(keys: string[]): Promise<boolean> {
    return (await this.each(keys, (key) => this.delete(key))).includes(true);
  }
}

/** For Keyv 5 and 6: `new Keyv({ store: createKeyvStore({ cache }) })`. Make one for each Keyv. Throws FIELD_INVALID. */
export function createKeyvStore(options: KeyvStoreOptions): KeyvStore {
  return new KeyvStore(options);
}
