/** The holders of the leases that unary calls take: one for each connection. Their leases end by time. */
import type { LeaseHolder, StoreView } from "../../store/api/store.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";

export class ConnectionHolders {
  readonly #store: StoreView;
  readonly #holders = new WeakMap<ConnectionMemory, LeaseHolder>();

  constructor(store: StoreView) {
    this.#store = store;
  }

  /** The id of the holder of a connection, which its memory stands for. */
  of(memory: ConnectionMemory): number {
    let holder = this.#holders.get(memory);
    if (holder === undefined) {
      holder = this.#store.createHolder();
      this.#holders.set(memory, holder);
    }
    return holder.id;
  }
}
