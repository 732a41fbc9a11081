/** How busy this thread was in the last seconds: sampled where the load is looked at anyway. */
import { type EventLoopUtilization, performance } from "node:perf_hooks";

/** Samples are taken each quarter of a second. */
const SAMPLES = 20;

export class LoadHistory {
  readonly #delaysMs: number[] = [];
  readonly #utilizations: EventLoopUtilization[] = [];
  readonly #utilization: () => EventLoopUtilization;

  constructor(utilization = () => performance.eventLoopUtilization()) {
    this.#utilization = utilization;
  }

  /** `delayMs`: the 99th percentile of the delay of the event loop since the last sample. */
  sample(delayMs: number): void {
    this.#delaysMs.push(delayMs);
    this.#utilizations.push(this.#utilization());
    if (this.#delaysMs.length <= SAMPLES) return;
    this.#delaysMs.shift();
    this.#utilizations.shift();
  }

  get delayMs(): number {
    return this.#delaysMs.reduce((most, one) => Math.max(most, one), 0);
  }

  /** The part of the time in which the thread had something to do: 0 to 1. */
  get busy(): number {
    const [oldest] = this.#utilizations;
    if (oldest === undefined) return 0;
    const now = this.#utilization();
    const activeMs = now.active - oldest.active;
    const allMs = activeMs + now.idle - oldest.idle;
    return allMs > 0 ? activeMs / allMs : 0;
  }
}
