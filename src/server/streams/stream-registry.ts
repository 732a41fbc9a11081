/** The open streams and subscribers of one server, and what all streams share: limits, scheduler and budget of queues. */
import type { Boundary } from "../../common/boundary.ts";
import type { CacheError } from "../../common/errors.ts";
import type { Selector, Subscriber } from "../../store/api/store.ts";
import type { ConnectionMemory } from "../limits/connection-memory.ts";
import type { ProcessBounds, QueueBudget, Quota } from "../limits/quotas.ts";
import type { TransportLimits } from "../limits/transport-limits.ts";
import type { Turns } from "../limits/turns.ts";
import type { QueueBound } from "./send-queue.ts";
import { createTurnScheduler, type Defer } from "./turn-scheduler.ts";

/** What a stream says of itself to operators. */
export interface StreamDescription {
  /** The connection that it is on. */
  readonly connection: ConnectionMemory;
  readonly method: string;
  readonly clientId: string;
  readonly library: string;
  readonly libraryVersion: string;
  readonly selectors: readonly Selector[];
  /** Events that it has not been sent yet. */
  readonly lagEvents: number;
  /** Gaps that it was sent since a log had overrun it. */
  readonly overruns: number;
}

/** A stream that would not end by itself when the server drains. */
export interface DrainableStream {
  /** Tells the client that the server is shutting down. */
  drain(): void;
  end(error: CacheError): void;
  /** Why it is not permitted any more. Undefined: it is. */
  denial?(): CacheError | undefined;
  /** Undefined: it serves no operations and no events. */
  describe?(): StreamDescription | undefined;
}

export interface StreamRegistry {
  readonly limits: TransportLimits;
  readonly boundary: Boundary;
  readonly defer: Defer;
  readonly budget: QueueBudget;
  readonly open: Set<DrainableStream>;
  /** Those of this server; the process counts them too. */
  readonly subscribers: Set<Subscriber>;
  /** How often a stream had to wait since a queue was full, by what was full. */
  readonly overflows: Record<QueueBound, number>;
  /** The server is shutting down: new streams are refused. */
  draining: boolean;
}

export function createStreamRegistry(
  limits: TransportLimits,
  bounds: ProcessBounds,
  boundary: Boundary,
  turns?: Turns,
): StreamRegistry {
  return {
    limits,
    boundary,
    defer: createTurnScheduler(boundary, turns),
    budget: bounds.queues,
    open: new Set(),
    subscribers: new CountedSet(bounds.subscribers),
    overflows: { connection: 0, process: 0, stream: 0 },
    draining: false,
  };
}

/** After the permissions have changed. */
export function endDeniedStreams({ open, boundary }: StreamRegistry): void {
  for (const stream of open) {
    boundary.guard(undefined, () => {
      const denial = stream.denial?.();
      if (denial !== undefined) stream.end(denial);
    })();
  }
}

/** A set whose items are counted in a quota of the process. */
class CountedSet<Item> extends Set<Item> {
  readonly #quota: Quota;

  constructor(quota: Quota) {
    super();
    this.#quota = quota;
  }

  override add(item: Item): this {
    if (!this.has(item)) this.#quota.take();
    return super.add(item);
  }

  override delete(item: Item): boolean {
    const deleted = super.delete(item);
    if (deleted) this.#quota.give();
    return deleted;
  }
}

/** How many events of the logs the slowest subscriber has not read yet. */
export function slowestLagEvents({ subscribers }: StreamRegistry): number {
  let slowest = 0;
  for (const subscriber of subscribers) slowest = Math.max(slowest, subscriber.lag());
  return slowest;
}
