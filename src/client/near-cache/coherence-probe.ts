/**
 * The coherence probe: reads a sampled share of near hits again from the server. An answer that contradicts a
 * copy which no event has touched would mean that an event was lost, for on one stream the event comes before
 * the answer: that is a violation, and there must be none.
 */

import type { Rng } from "../../common/random.ts";
import type { Coherence } from "../coherence/coherence.ts";
import type { CachedEntry, Reading } from "./cached-entry.ts";
import type { NearCache } from "./near-cache.ts";

export interface ProbeCounters {
  probes: number;
  /** Probed hits that had been changed on the server by the time of the second look. */
  probesStale: number;
  probeViolations: number;
}

export interface ProbeDeps<Value> {
  readonly share: number;
  readonly rng: Rng;
  readonly near: NearCache<Value>;
  readonly coherence: Coherence;
  readonly counters: ProbeCounters;
  /** Which stream is the one that counts: between two of them the order of event and answer is lost. */
  stream(): number;
  /** Reads the entry anew, keeping nothing and naming no version. */
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

  /** Called at each near hit; true for the sampled ones. */
  due(): boolean {
    this.#hitsUntilNext -= 1;
    if (this.#hitsUntilNext > 0) return false;
    this.#hitsUntilNext = this.#draw();
    return true;
  }

  /** Compares a copy that was just served with what the server says. Never throws, never keeps. */
  run(copy: CachedEntry<Value>): void {
    const { coherence, counters, near } = this.#deps;
    const servedBoundMs = coherence.stalenessBoundMs(coherence.nowMs());
    const { generation, revision } = copy;
    const stream = this.#deps.stream();
    const changed = (reading: Reading) =>
      reading.asOf.epoch !== copy.epoch || reading.version !== copy.version;
    // No event, gap, own write or change of streams came between the hit and this answer.
    const untouched = () =>
      near.holds(copy) &&
      copy.generation === generation &&
      copy.revision === revision &&
      coherence.generation === generation &&
      this.#deps.stream() === stream;
    this.#deps
      .read(copy.key, (reading) => {
        counters.probes += 1;
        // Expiry and eviction emit nothing: a copy that outlives them is still true within its TTL.
        if (reading.kind === "miss" || !changed(reading)) return this.#deps.probed(0, false);
        counters.probesStale += 1;
        const violation = untouched();
        if (violation) counters.probeViolations += 1;
        this.#deps.probed(servedBoundMs, violation);
      })
      .catch(() => undefined);
  }

  /** Geometric, so that a share of all hits is taken without a random number for each. */
  #draw(): number {
    const { share, rng } = this.#deps;
    if (share >= 1) return 1;
    return Math.max(1, Math.ceil(Math.log(1 - rng.fraction()) / Math.log(1 - share)));
  }
}
