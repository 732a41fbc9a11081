/** The snapshot of a server process: its store begins with one and ends as one, and the log says what became of it. */
import { systemClock } from "../../common/clock.ts";
import { systemRng } from "../../common/random.ts";
import { SnapshotFile } from "../../snapshot/snapshot-file.ts";
import type { SnapshotOutcome } from "../../store/api/snapshot-outcome.ts";
import type { StoreMemory, StoreOptions } from "../../store/engine/create-store.ts";
import type { Logger } from "../../telemetry/telemetry.ts";

interface ProcessSnapshotOptions {
  readonly path: string;
  readonly maxAgeMs: number;
  readonly store: Partial<StoreOptions>;
  readonly logger: Logger;
}

export class ProcessSnapshot {
  readonly #options: ProcessSnapshotOptions;
  readonly #file: SnapshotFile;
  #memory: StoreMemory | undefined;

  constructor(options: ProcessSnapshotOptions) {
    this.#options = options;
    this.#file = new SnapshotFile(options.path);
  }

  /** The store of the process, for so many threads. Throws as `createStoreMemory`. */
  start(threads: number): { readonly memory: StoreMemory; readonly outcome: SnapshotOutcome } {
    const { store, maxAgeMs } = this.#options;
    const started = this.#file.start({ store, threads, clock: systemClock, maxAgeMs });
    this.#memory = started.memory;
    this.#tell(started.outcome);
    return started;
  }

  served(): void {
    this.#file.served();
  }

  /** The server could not start: the next start may load the same snapshot. */
  notServed(): void {
    this.#file.giveBack();
  }

  /** The server has ended in order, and nobody uses the store any more. */
  end(): void {
    if (this.#memory === undefined) return;
    const { path, logger } = this.#options;
    const beganMs = systemClock.nowMs();
    try {
      const written = this.#file.save(this.#memory, systemClock, systemRng);
      logger.info({ snapshot: path, ...written, writeMs: systemClock.nowMs() - beganMs }, "snapshot written");
    } catch (error) {
      logger.error(
        { snapshot: path, err: error },
        `the snapshot could not be written (${reasonOf(error)}); the next start is with an empty store`,
      );
    }
  }

  #tell(outcome: SnapshotOutcome): void {
    const { path: snapshot, logger } = this.#options;
    switch (outcome.kind) {
      case "none":
        logger.info({ snapshot }, "there is no snapshot; the store is empty");
        return;
      case "loaded": {
        const { kind: _, writtenAtMs, ...figures } = outcome;
        const ageMs = systemClock.wallMs() - writtenAtMs;
        logger.info({ snapshot, ...figures, ageMs }, "snapshot loaded");
        return;
      }
      case "refused": {
        const { reason, message } = outcome;
        logger.warn({ snapshot, reason }, `the snapshot was not loaded: ${message}; the store is empty`);
        return;
      }
      default:
        outcome satisfies never;
    }
  }
}

function reasonOf(error: unknown): string {
  if (error instanceof Error) return "code" in error ? String(error.code) : error.message;
  return String(error);
}
