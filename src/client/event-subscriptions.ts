/** The event subscriptions that are open, and how one is opened. */
import type { Gap } from "../../gen/meshcache/v1/cache_pb.ts";
import { checkPrefixes, checkSignal, checkWhole } from "./api/checks.ts";
import type { ReportEvent } from "./api/client-events.ts";
import { isAborted, onAbort } from "./api/signals.ts";
import type { InvalidationBus } from "./coherence/invalidation-bus.ts";
import type { Connection } from "./connection/connection.ts";
import {
  EventQueue,
  type EventSubscription,
  type SubscribeOptions,
} from "./operations/event-subscription.ts";
import { cancelled } from "./operations/runner.ts";

const QUEUE_DEFAULT_EVENTS = 4_096;
const QUEUE_MAX_EVENTS = 2 ** 20;

export class EventSubscriptions {
  readonly #connection: Connection;
  readonly #invalidations: InvalidationBus;
  readonly #report: ReportEvent;
  readonly #open = new Set<EventQueue>();

  constructor(connection: Connection, invalidations: InvalidationBus, report: ReportEvent) {
    this.#connection = connection;
    this.#invalidations = invalidations;
    this.#report = report;
  }

  /** Throws FIELD_INVALID, CANCELLED when the signal is aborted, and LIMIT_EXCEEDED for too many namespaces. */
  open(namespace: string, options: SubscribeOptions): EventSubscription {
    const signal = checkSignal(options.signal);
    if (signal !== undefined && isAborted(signal)) throw cancelled(signal);
    const prefixes = checkPrefixes("prefixes", options.prefixes ?? [], this.#connection.limits);
    const queueMaxEvents = checkWhole(
      "queueMaxEvents",
      options.queueMaxEvents ?? QUEUE_DEFAULT_EVENTS,
      1,
      QUEUE_MAX_EVENTS,
    );
    const queue = new EventQueue(namespace, prefixes, queueMaxEvents, {
      closed: (closed) => {
        stopListening?.();
        this.#open.delete(closed);
        this.#invalidations.delete(closed);
        this.#connection.unwatch(closed);
      },
      shards: () => this.#connection.shards,
      overran: () => this.#report({ kind: "overflow", reason: "subscription", namespace }),
    });
    const stopListening = signal && onAbort(signal, () => queue.close());
    try {
      this.#connection.watch(queue);
    } catch (error) {
      stopListening?.();
      throw error;
    }
    this.#invalidations.add(queue);
    this.#open.add(queue);
    return queue;
  }

  pingAnswered(): void {
    for (const subscription of this.#open) subscription.pingAnswered();
  }

  /** Tells every reader that events may be missing. */
  gap(gap: Gap): void {
    for (const subscription of this.#open) subscription.gap(gap);
  }

  /** Ends those of a namespace. */
  closeNamespace(namespace: string): void {
    for (const subscription of [...this.#open])
      if (subscription.namespace === namespace) subscription.close();
  }

  close(): void {
    for (const subscription of [...this.#open]) subscription.close();
  }
}
