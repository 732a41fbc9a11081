/** The store for Keyv 6 alone, which gives points in time. Keyv uses it as it is, since it says so in `capabilities`. */
import { fieldInvalid } from "../../common/errors.ts";
import { KeyvEntries, type KeyvStoreOptions } from "./entries.ts";

export interface Keyv6Item {
  readonly key: string;
  readonly value: unknown;
  /** Milliseconds since 1970. */
  readonly expires?: number;
}

/** September 2001. What is less is no point in time but a lifetime, such as Keyv 5 gives. */
const EXPIRES_MIN = 1e12;

const METHOD = { exists: true, methodType: "async" } as const;
/** To Keyv an async generator is no async function. */
const GENERATOR = { exists: true, methodType: "sync" } as const;

const CAPABILITIES = {
  compatible: true,
  store: "keyvStorage",
  expires: true,
  methods: {
    get: METHOD,
    getMany: METHOD,
    has: METHOD,
    hasMany: METHOD,
    set: METHOD,
    setMany: METHOD,
    delete: METHOD,
    deleteMany: METHOD,
    clear: METHOD,
    disconnect: METHOD,
    iterator: GENERATOR,
  },
} as const;

export class Keyv6Store extends KeyvEntries {
  /** As Keyv's `keyvStorageCapability` says of it. */
  get capabilities(): typeof CAPABILITIES {
    return CAPABILITIES;
  }

  /** `expires` is in milliseconds since 1970; `undefined` is never. Rejects with FIELD_INVALID for a lifetime, such as of Keyv 5. */
  async set(key: string, value: unknown, expires?: number): Promise<boolean> {
    return this.put(key, value, toTtlMs(expires));
  }

  async setMany(items: Keyv6Item[]): Promise<boolean[]> {
    return this.each(items, ({ key, value, expires }) => this.put(key, value, toTtlMs(expires)));
  }

  /** For each key, whether it was there. */
  async deleteMany(keys: string[]): Promise<boolean[]> {
    return this.each(keys, (key) => this.delete(key));
  }
}

function toTtlMs(expires: number | undefined): number | undefined {
  if (expires === undefined) return undefined;
  if (expires < EXPIRES_MIN)
    throw fieldInvalid("expires", "a time in milliseconds since 1970, as Keyv 6 gives it");
  return expires - Date.now();
}

/** For Keyv 6: `new Keyv({ store: createKeyv6Store({ cache }) })`. Make one for each Keyv. Throws FIELD_INVALID. */
export function createKeyv6Store(options: KeyvStoreOptions): Keyv6Store {
  return new Keyv6Store(options);
}
