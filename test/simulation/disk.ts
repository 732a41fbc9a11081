/**
 * The disk of the simulated server: the snapshot that it finds at its next start, what faults make of it, and what the judges
 * must expect of a store that begins with it.
 */

import type { Clock } from "../../src/common/clock.ts";
import type { Rng } from "../../src/common/random.ts";
import { headOf, type LoadOptions, type StartedStore, startStore } from "../../src/snapshot/load-snapshot.ts";
import type { StoreMemory } from "../../src/store/engine/create-store.ts";
import { bytesOf, sourceOf } from "../support/snapshot-bytes.ts";
import type { History } from "./history.ts";
import { between, chance } from "./plan.ts";
import type { SavedStore } from "./tapped-store.ts";

interface Snapshot {
  readonly bytes: Buffer;
  /** What the judges knew when it was written. */
  readonly saved: SavedStore;
  /** Why it must not be loaded. */
  readonly flaw?: "damaged";
}

export interface DiskStart extends StartedStore {
  /** What the store has. Undefined: nothing. */
  readonly saved: SavedStore | undefined;
}

export class Disk {
  readonly #rng: Rng;
  readonly #history: History;
  #file: Snapshot | undefined;
  /** A copy that somebody made. */
  #copy: Snapshot | undefined;
  /** The one that a store was started with last. */
  #used: Snapshot | undefined;
  #writes = 0;

  constructor(rng: Rng, history: History) {
    this.#rng = rng;
    this.#history = history;
  }

  write(memory: StoreMemory, clock: Clock, saved: SavedStore): void {
    this.#writes += 1;
    this.#file = { bytes: bytesOf(memory, clock, this.#writes), saved };
    // A long life of one copy makes it older.
    if (this.#copy === undefined || chance(this.#rng, 0.5)) this.#copy = this.#file;
  }

  /** Some bits of the snapshot that is there turn over. */
  damage(): void {
    if (this.#file === undefined) return;
    const { saved } = this.#file;
    const bytes = Buffer.from(this.#file.bytes);
    const at = between(this.#rng, 0, bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << between(this.#rng, 0, 7));
    this.#history.note("disk", `byte ${at} of the snapshot is damaged`);
    this.#file = { bytes, saved, flaw: "damaged" };
  }

  /** Somebody puts a copy in the place of the snapshot. `forgets`: it is on another volume, which does not know its own past. */
  restoreCopy(forgets: boolean): void {
    if (this.#copy === undefined) return;
    this.#history.note("disk", `a copy of a snapshot is restored${forgets ? " to another volume" : ""}`);
    this.#file = this.#copy;
    if (forgets) this.#used = undefined;
  }

  start(options: Omit<LoadOptions, "used">): DiskStart {
    const file = this.#file;
    this.#file = undefined;
    const used = this.#used && headOf(sourceOf(this.#used.bytes)).head;
    const started = startStore(file && sourceOf(file.bytes), { ...options, used });
    const { kind } = started.outcome;
    this.#history.note("disk", `the snapshot is ${kind === "refused" ? started.outcome.reason : kind}`);
    if (file === undefined || kind !== "loaded") return { ...started, saved: undefined };
    if (file.flaw !== undefined) this.#history.violate("snapshot", `a ${file.flaw} snapshot was loaded`);
    if (file === this.#used || this.#isOlderThanUsed(file)) {
      this.#history.violate("snapshot", "a copy of a snapshot that was used before was loaded");
    }
    this.#used = file;
    return { ...started, saved: file.saved };
  }

  #isOlderThanUsed(file: Snapshot): boolean {
    return this.#used !== undefined && file.saved.moment.order < this.#used.saved.moment.order;
  }
}
