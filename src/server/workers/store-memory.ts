/** Stands for the store that threads share, until there is one: each thread gets a store of its own. */
import type { Clock } from "../../clock.ts";
import type { Rng } from "../../random.ts";
import { createStore, type StoreOptions } from "../../store/create-store.ts";
import type { Store } from "../../store/store.ts";
import type { StoreMessage, StoreThreads } from "../../store/threads.ts";

export interface StoreMemory {
  readonly options: Partial<StoreOptions>;
}

export interface AttachedStore extends Store {
  receive(message: StoreMessage): void;
}

export function createStoreMemory(options: Partial<StoreOptions>, _threads: number): StoreMemory {
  return { options };
}

export function attachStore(
  { options }: StoreMemory,
  { clock, rng }: { clock: Clock; rng: Rng; threads: StoreThreads },
): AttachedStore {
  return Object.assign(createStore({ ...options, clock, rng }), { receive: () => {} });
}
