/**
 * The snapshot of a server as a file, from the end of one process to the start of the next one.
 *
 * FILE is there only while no server runs: a start puts it aside before the port is open, whether it was loaded or not. So what
 * a server did not write at its end is never loaded. FILE.used says which one was loaded last, so that a copy of it is known.
 * FILE.tmp is there only while one is written: a start that finds it loads nothing, since what is beside it is older.
 */
import {
  closeSync,
  existsSync,
  fchmodSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from "node:fs";
import { dirname } from "node:path";
import type { Clock } from "../common/clock.ts";
import type { Rng } from "../common/random.ts";
import type { StoreMemory } from "../store/engine/create-store.ts";
import {
  headOf,
  type LoadOptions,
  refused,
  type SnapshotSource,
  type StartedStore,
  startStore,
  type UsedSnapshot,
} from "./load-snapshot.ts";
import { SnapshotRefusal } from "./refusal.ts";
import { writeSnapshot } from "./write-snapshot.ts";

const MODE = 0o600;

export interface WrittenFile {
  readonly entries: number;
  readonly bytes: number;
}

export class SnapshotFile {
  readonly #path: string;
  /** It was loaded, and nothing has been served since. */
  #isLoaded = false;

  constructor(path: string) {
    this.#path = path;
  }

  get #usedPath(): string {
    return `${this.#path}.used`;
  }

  get #temporaryPath(): string {
    return `${this.#path}.tmp`;
  }

  /** The store of this process. Throws as `createStoreMemory`. */
  start(options: Omit<LoadOptions, "used">): StartedStore {
    const all = { ...options, used: this.#lastUsed() };
    const started = this.#removeUnfinished() ? refused(all, unfinished()) : this.#load(all);
    if (started.outcome.kind === "none") return started;
    try {
      this.#putAside(started.outcome.kind === "loaded" ? this.#usedPath : `${this.#path}.refused`);
    } catch (error) {
      // The next start must not load it, after all that happens from now on.
      this.#empty();
      return started.outcome.kind === "refused"
        ? started
        : refused(all, ioRefusal("it cannot be put aside", error));
    }
    this.#isLoaded = started.outcome.kind === "loaded";
    return started;
  }

  /** The server serves: of the file that was loaded last, only the head is kept. Errors do no harm. */
  served(): void {
    this.#isLoaded = false;
    try {
      this.#withFile(this.#usedPath, "r+", (file) => ftruncateSync(file, headOf(toSource(file)).bytes));
    } catch {
      // There is none, or it stays as large as it is.
    }
  }

  /** The server could not start to serve: the next start may load the same file. Errors do no harm. */
  giveBack(): void {
    if (!this.#isLoaded) return;
    this.#isLoaded = false;
    try {
      renameSync(this.#usedPath, this.#path);
    } catch {
      // The next start begins empty.
    }
  }

  /** Writes a store that nobody uses any more. Throws what the system says; then there is no file. */
  save(memory: StoreMemory, clock: Clock, rng: Rng): WrittenFile {
    try {
      const written = this.#withFile(this.#temporaryPath, "w", (file) => {
        fchmodSync(file, MODE);
        let bytes = 0;
        const { entries } = writeSnapshot(memory, clock, rng, (chunk) => {
          writeAll(file, chunk);
          bytes += chunk.length;
        });
        fsyncSync(file);
        return { entries, bytes };
      });
      renameSync(this.#temporaryPath, this.#path);
      this.#syncFolder();
      return written;
    } catch (error) {
      remove(this.#temporaryPath);
      remove(this.#path);
      throw error;
    }
  }

  /** Whether a server ended while it wrote. Nothing is left of that. */
  #removeUnfinished(): boolean {
    if (!existsSync(this.#temporaryPath)) return false;
    remove(this.#temporaryPath);
    return true;
  }

  #load(options: LoadOptions): StartedStore {
    if (!existsSync(this.#path)) return startStore(undefined, options);
    try {
      return this.#withFile(this.#path, "r", (file) => startStore(toSource(file), options));
    } catch (error) {
      return refused(options, isSystemError(error) ? ioRefusal("it cannot be read", error) : error);
    }
  }

  #lastUsed(): UsedSnapshot | undefined {
    try {
      return this.#withFile(this.#usedPath, "r", (file) => headOf(toSource(file)).head);
    } catch {
      return undefined;
    }
  }

  /** Lasts beyond a loss of power: a file that came back would be loaded once more. */
  #putAside(to: string): void {
    renameSync(this.#path, to);
    this.#syncFolder();
  }

  /** For a file that can be written where its folder cannot. Errors do no harm: then no server here writes another one. */
  #empty(): void {
    try {
      this.#withFile(this.#path, "r+", (file) => {
        ftruncateSync(file);
        fsyncSync(file);
      });
    } catch {
      // Where neither can be written it stays.
    }
  }

  #syncFolder(): void {
    this.#withFile(dirname(this.#path), "r", (folder) => fsyncSync(folder));
  }

  #withFile<Result>(path: string, flags: string, use: (file: number) => Result): Result {
    const file = openSync(path, flags, MODE);
    try {
      return use(file);
    } finally {
      closeSync(file);
    }
  }
}

function toSource(file: number): SnapshotSource {
  const status = fstatSync(file);
  if (!status.isFile()) throw new SnapshotRefusal("io", "it is no regular file");
  return {
    bytes: status.size,
    read(into, at) {
      for (let done = 0; done < into.length; ) {
        const bytes = readSync(file, into, done, into.length - done, at + done);
        if (bytes === 0) throw new SnapshotRefusal("damaged", "it is damaged: it ended while it was read");
        done += bytes;
      }
    },
  };
}

function writeAll(file: number, bytes: Uint8Array): void {
  for (let done = 0; done < bytes.length; ) done += writeSync(file, bytes, done);
}

/** The error that leads here says more than one of this. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // The next start finds it.
  }
}

function unfinished(): SnapshotRefusal {
  return new SnapshotRefusal("unfinished", "the server before was ended while it wrote it");
}

function isSystemError(error: unknown): error is NodeJS.ErrnoException {
  return error instanceof Error && "syscall" in error;
}

function ioRefusal(what: string, cause: unknown): SnapshotRefusal {
  const why = cause instanceof Error && "code" in cause ? String(cause.code) : "unknown error";
  return new SnapshotRefusal("io", `${what} (${why})`, { cause });
}
