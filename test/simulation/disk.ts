/**
 * The disk of the simulated server: the snapshot that it finds at its next start, what faults make of it, and what the judges
 * must expect of a store that begins with it.
 */

import type { Clock } from "../../src/common/clock.ts";
import type { Rng } from "../../src/common/random.ts";
import { FORMAT_VERSION, OLDEST_READ } from "../../src/snapshot/head.ts";
import { headOf, type LoadOptions, type StartedStore, startStore } from "../../src/snapshot/load-snapshot.ts";
import type { StoreMemory } from "../../src/store/engine/create-store.ts";
import { bytesOf, inFormat, sourceOf, type TestOptions } from "../support/snapshot-bytes.ts";
import { writeForeignSnapshot } from "./foreign-snapshot.ts";
import type { History } from "./history.ts";
import { between, chance, pick } from "./plan.ts";
import { fitsInto } from "./settings.ts";
import type { SavedStore } from "./tapped-store.ts";

/** What the snapshot that a start finds may be, beside what was written. */
const SPOILINGS = ["damaged", "truncated", "of another version", "of another server"] as const;
type Spoiling = (typeof SPOILINGS)[number];

interface Snapshot {
  readonly bytes: Buffer;
  /** What the judges knew when it was written. */
  readonly saved: SavedStore;
  /** Why it must not be loaded. */
  readonly flaw?: Spoiling;
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
  /** Another server's snapshot is in its place. It is written when it is needed. */
  #isForeign = false;
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

  /** Something happens to the snapshot that is there, or another one is put in its place. */
  spoil(): void {
    if (this.#file === undefined) return;
    const spoiling = pick(this.#rng, SPOILINGS);
    this.#history.note("disk", `the snapshot is now ${spoiling}`);
    const { saved, bytes } = this.#file;
    this.#isForeign = spoiling === "of another server";
    if (this.#isForeign) return;
    this.#file = { bytes: this.#spoilt(bytes, spoiling), saved, flaw: spoiling };
  }

  #spoilt(whole: Buffer, spoiling: Spoiling): Buffer {
    if (spoiling === "of another version")
      return inFormat(whole, pick(this.#rng, [OLDEST_READ - 1, FORMAT_VERSION + 1]));
    const at = between(this.#rng, 0, whole.length - 1);
    if (spoiling === "truncated") return whole.subarray(0, at);
    const bytes = Buffer.from(whole);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << between(this.#rng, 0, 7));
    return bytes;
  }

  /** Somebody puts a copy in the place of the snapshot. `forgets`: it is on another volume, which does not know its own past. */
  restoreCopy(forgets: boolean): void {
    if (this.#copy === undefined) return;
    this.#history.note("disk", `a copy of a snapshot is restored${forgets ? " to another volume" : ""}`);
    this.#file = this.#copy;
    this.#isForeign = false;
    if (forgets) this.#used = undefined;
  }

  start(options: Omit<LoadOptions, "used"> & { readonly store: TestOptions }): DiskStart {
    const file: Snapshot | undefined = this.#isForeign
      ? writeForeignSnapshot(options.store, this.#rng, this.#history)
      : this.#file;
    this.#file = undefined;
    this.#isForeign = false;
    const used = this.#used && headOf(sourceOf(this.#used.bytes)).head;
    const started = startStore(file && sourceOf(file.bytes), { ...options, used });
    const { kind } = started.outcome;
    this.#history.note("disk", `the snapshot is ${kind === "refused" ? started.outcome.reason : kind}`);
    if (file === undefined) return { ...started, saved: undefined };
    if (kind !== "loaded") {
      this.#checkRefusal(file, started);
      return { ...started, saved: undefined };
    }
    if (file.flaw !== undefined)
      this.#history.violate("snapshot", `a snapshot was loaded that is ${file.flaw}`);
    if (file === this.#used || this.#isOlderThanUsed(file)) {
      this.#history.violate("snapshot", "a copy of a snapshot that was used before was loaded");
    }
    this.#used = file;
    return { ...started, saved: file.saved };
  }

  /** One that is whole is refused only for its age, because it was used, or because it has no room. */
  #checkRefusal({ bytes, flaw }: Snapshot, { outcome, memory }: StartedStore): void {
    if (flaw !== undefined) return;
    const { head } = headOf(sourceOf(bytes));
    const reason = outcome.kind === "refused" ? outcome.reason : outcome.kind;
    const hasRoom = fitsInto(head.revisions.length, head.limits, memory);
    if (["clock", "too_old", "used"].includes(reason) || (reason === "setting" && !hasRoom)) return;
    this.#history.violate("snapshot", `a snapshot that nothing is wrong with was not loaded: ${reason}`);
  }

  #isOlderThanUsed(file: Snapshot): boolean {
    return this.#used !== undefined && file.saved.moment.order < this.#used.saved.moment.order;
  }
}
