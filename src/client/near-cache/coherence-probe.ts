/**
 * The coherence probe: reads a sampled share of near hits again from the server. On one stream an event comes before
 * every response that reflects it. So a response that contradicts an entry for which no event came is a violation: an
 * event was lost. There must be none.
 */

import type { Rng } from "../../common/random.ts";
import type { Coherence } from "../coherence/coherence.ts";
import type { CachedEntry, Reading } from "./cached-entry.ts";
import type { NearCache } from "./near-cache.ts";

/** What the coherence probe found (`telemetry.probeShare`), counted from when the client was made. */
export interface ProbeCounters {
  /** Near hits that were read again from the server. */
  probes: number;
  /** Probed hits whose entry the server had already changed. */
  probesStale: number;
  /** Probed hits that contradict the server although no event is missing. There must be none: report any. */
  probeViolations: number;
}

export interface ProbeDeps<Value> {
  /** Of all near hits: above 0, at most 1. */
  readonly share: number;
  readonly rng: Rng;
  readonly near: NearCache<Value>;
  readonly coherence: Coherence;
  readonly counters: ProbeCounters;
  /** Identifies the primary stream. Between two streams the order of event and response is not kept. */
  stream(): number;
  /** Reads from the server without a version, and keeps nothing. */
  read(key: string, answered: (reading: Reading) => void): Promise<unknown>;
  probed(stalenessMs: number, violation: boolean): void;
}

export class CoherenceProbe<Value> {
  readonly #deps: ProbeDeps<Value>;
  #hitsUntilNext: number;

  constructor(deps: ProbeDeps<Value>) {
    this.#deps = deps;
    this.#hitsUntilNext = this.#draw();
  }

  /** Called at each near hit. True for the sampled ones. */
  due(): boolean {
    this.#hitsUntilNext -= 1;
    if (this.#hitsUntilNext > 0) return false;
    this.#hitsUntilNext = this.#draw();
    return true;
  }

  /** Compares an entry that was just served with the server. Never throws and keeps nothing. */
  run(entry: CachedEntry<Value>): void {
    const { coherence, counters, near } = this.#deps;
    const servedBoundMs = coherence.stalenessBoundMs(coherence.nowMs());
    const { generation, revision } = entry;
    const stream = this.#deps.stream();
    const changed = (reading: Reading) =>
      reading.asOf.epoch !== entry.epoch || reading.version !== entry.version;
    // No event, gap, own write or change of streams came between the hit and this response.
    const untouched = () =>
      near.holds(entry) &&
      entry.generation === generation &&
      entry.revision === revision &&
      coherence.generation === generation &&
      this.#deps.stream() === stream;
    this.#deps
      .read(entry.key, (reading) => {
        counters.probes += 1;
        // Expiry and eviction send no event: the entry may still be served within its TTL.
        if (reading.kind === "miss" || !changed(reading)) return this.#deps.probed(0, false);
        counters.probesStale += 1;
        const violation = untouched();
        if (violation) counters.probeViolations += 1;
        this.#deps.probed(servedBoundMs, violation);
      })
      .catch(() => undefined);
  }

  /**
   * The distance to the next sampled hit, geometrically distributed: one random number for each sample, not
   * each hit.
   */
  #draw(): number {
    const { share, rng } = this.#deps;
    if (share >= 1) return 1;
    return Math.max(1, Math.ceil(Math.log(1 - rng.fraction()) / Math.log(1 - share)));
  }
}
