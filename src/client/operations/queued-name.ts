/** One key, tag, prefix or namespace whose invalidation waits to be acknowledged, and the callers who wait for that. */
import type { Change } from "../coherence/coherence.ts";

/** A caller that waits until all names of its invalidation are acknowledged, or until it gives up. */
export class Acknowledgement {
  /** As far as the servers have told it for this caller alone. */
  removed = 0;
  readonly #names = new Set<QueuedName>();
  readonly #resolve: (removed: number) => void;
  readonly #reject: (error: unknown) => void;

  constructor(
    names: readonly QueuedName[],
    resolve: (removed: number) => void,
    reject: (error: unknown) => void,
  ) {
    this.#resolve = resolve;
    this.#reject = reject;
    for (const name of names) this.#waitFor(name);
  }

  /** It waits for `by`, which does what `name` was to do. */
  waitInstead(name: QueuedName, by: QueuedName): void {
    this.#names.delete(name);
    this.#waitFor(by);
  }

  acknowledged(name: QueuedName): void {
    if (this.#names.delete(name) && this.#names.size === 0) this.#resolve(this.removed);
  }

  fail(error: unknown): void {
    for (const name of this.#names) name.waiting.delete(this);
    this.#names.clear();
    this.#reject(error);
  }

  #waitFor(name: QueuedName): void {
    this.#names.add(name);
    name.waiting.add(this);
  }
}

export class QueuedName {
  readonly target: Change["target"];
  /** Empty for "all". */
  readonly name: string;
  readonly soft: boolean;
  /** 0n: none. */
  sourceVersion: bigint;
  readonly waiting = new Set<Acknowledgement>();

  constructor(target: Change["target"], name: string, soft: boolean, sourceVersion: bigint) {
    this.target = target;
    this.name = name;
    this.soft = soft;
    this.sourceVersion = sourceVersion;
  }

  /** The same for two invalidations of which one does all that both do: the one with the greater source version. */
  get identity(): string {
    const strength = this.soft ? "soft" : "hard";
    const versioned = this.sourceVersion > 0n ? "versioned" : "";
    return `${this.target}/${strength}/${versioned}/${this.name}`;
  }

  /** This one does what `other` was to do. */
  takeOver(other: QueuedName): void {
    if (other.sourceVersion > this.sourceVersion) this.sourceVersion = other.sourceVersion;
    for (const acknowledgement of other.waiting) acknowledgement.waitInstead(other, this);
    other.waiting.clear();
  }

  acknowledged(): void {
    for (const acknowledgement of this.waiting) acknowledgement.acknowledged(this);
    this.waiting.clear();
  }

  refused(error: unknown): void {
    for (const acknowledgement of this.waiting) acknowledgement.fail(error);
  }
}
