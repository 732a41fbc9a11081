/** The streams of a server that their clients end: what drains them, counts them and shares their queues and pumps. */
import type { Boundary } from "../../common/boundary.ts";
import type { CacheError } from "../../common/errors.ts";
import type { Subscriber } from "../../store/api/store.ts";
import type { ProcessBounds, QueueBudget, Quota } from "../limits/quotas.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import { createTurnScheduler, type Defer } from "./turn-scheduler.ts";

/** A stream as the drain sees it. */
export interface DrainableStream {
  /** Tells the client that the server is going. */
  drain(): void;
  end(error: CacheError): void;
}

export interface StreamRegistry {
  readonly limits: TransportLimits;
  readonly boundary: Boundary;
  readonly defer: Defer;
  readonly budget: QueueBudget;
  readonly open: Set<DrainableStream>;
  readonly subscribers: Set<Subscriber>;
  draining: boolean;
}

export function createStreamRegistry(
  limits: TransportLimits,
  bounds: ProcessBounds,
  boundary: Boundary,
): StreamRegistry {
  return {
    limits,
    boundary,
    defer: createTurnScheduler(boundary),
    budget: bounds.queues,
    open: new Set(),
    subscribers: new CountedSet(bounds.subscribers),
    draining: false,
  };
}

/** Tells the process's count of what it holds. */
class CountedSet<Item> extends Set<Item> {
  readonly #count: Quota;

  constructor(count: Quota) {
    super();
    this.#count = count;
  }

  override add(item: Item): this {
    if (!this.has(item)) this.#count.take();
    return super.add(item);
  }

  override delete(item: Item): boolean {
    const deleted = super.delete(item);
    if (deleted) this.#count.give();
    return deleted;
  }
}

/** Log events between the slowest subscriber and now. */
export function slowestLagEvents({ subscribers }: StreamRegistry): number {
  let slowest = 0;
  for (const subscriber of subscribers) slowest = Math.max(slowest, subscriber.lag());
  return slowest;
}
