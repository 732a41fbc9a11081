/** What this server's callers did on the tier: the counters of a store, as far as a server can know them. */
import type { StoreCounters } from "../store/api/store.ts";
import { COUNTER } from "../store/shm/counters.ts";

export class TierCounters {
  readonly values: StoreCounters = { ...COUNTER };

  constructor() {
    for (const name of Object.keys(COUNTER)) Object.assign(this.values, { [name]: 0 });
  }

  count(name: keyof StoreCounters, by = 1): void {
    this.values[name] += by;
  }
}
