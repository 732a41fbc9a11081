/** Appends the events of a shard to its log, and remembers that subscribers are to be woken. */
import type { EventKind, EventTarget, Writer } from "../api/store.ts";
import { EventLog, type EventLogLimits } from "../events/event-log.ts";
import type { Region } from "../shm/region.ts";
import type { ShardClock } from "../shm/shard-clock.ts";

export class ShardEvents {
  readonly log: EventLog;
  readonly #clock: ShardClock;
  #emitted = false;

  constructor(region: Region, shard: number, limits: EventLogLimits, clock: ShardClock) {
    this.log = new EventLog(region, shard, limits);
    this.#clock = clock;
  }

  /** An event of the current revision. */
  emit(kind: EventKind, namespace: string, target: EventTarget, name: string, writer: Writer): void {
    const { origin, traceparent } = writer;
    const { shard, revision } = this.#clock.stamp;
    this.#emitted = true;
    this.log.append({ shard, revision, kind, namespace, target, name, origin, traceparent });
  }

  /** This thread has emitted events since the last call. */
  takeEmitted(): boolean {
    const emitted = this.#emitted;
    this.#emitted = false;
    return emitted;
  }
}
