/**
 * Follows files by their content, and keeps the last value that could be made of them. They are polled: Kubernetes replaces
 * files by swapping links, and a file system need not tell of it.
 */
import { readFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { CacheError } from "../../common/errors.ts";

/** The texts of files, by what each is for. */
export type FileTexts<Name extends string> = Readonly<Partial<Record<Name, string>>>;
/** The paths of files, likewise. A file that is left out is not read. */
export type FilePaths<Name extends string> = Readonly<Partial<Record<Name, string>>>;

export interface WatchDeps<Value> {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly everyMs: number;
  /** The files have other contents, and a new value was made of them. */
  readonly replaced: (value: Value) => void;
  /**
   * No value could be made of them at two looks, and the last one stays. Told once for the same contents. What one look finds
   * may be half replaced.
   */
  readonly refused: (error: unknown) => void;
}

export class WatchedFiles<Name extends string, Value> {
  /** How often new contents were refused. */
  refusals = 0;
  readonly #field: string;
  readonly #paths: FilePaths<Name>;
  readonly #make: (texts: FileTexts<Name>) => Value;
  #value: Value;
  /** What the value was made of. */
  #madeOf: string;
  /** What was read at the last look, if it was refused. */
  #refusedRead: string | undefined;
  /** What `refused` was told of last, until a value was made. */
  #toldRead: string | undefined;
  #timer: Timer | undefined;

  /** Reads the files. Throws what `make` throws, and FIELD_INVALID for a file: `field` is what the paths are in. */
  constructor(field: string, paths: FilePaths<Name>, make: (texts: FileTexts<Name>) => Value) {
    const texts = readFiles(field, paths);
    this.#field = field;
    this.#paths = paths;
    this.#make = make;
    this.#value = make(texts);
    this.#madeOf = JSON.stringify(texts);
  }

  get value(): Value {
    return this.#value;
  }

  /** What the value was made of. */
  get contents(): string {
    return this.#madeOf;
  }

  /** Whether the files have contents that were refused, or cannot be read. */
  get isRefused(): boolean {
    return this.#toldRead !== undefined;
  }

  /** Reads them again and again. Returns what stops it. */
  watch(deps: WatchDeps<Value>): () => void {
    const again = (): void => {
      this.#timer = deps.clock.schedule(deps.everyMs, deps.boundary.guard(undefined, check));
    };
    const check = (): void => {
      void this.check(deps)
        .catch((error) => deps.boundary.caught(undefined, error))
        .then(() => {
          if (this.#timer !== undefined) again();
        });
    };
    again();
    return () => {
      this.#timer?.cancel();
      this.#timer = undefined;
    };
  }

  /** Reads them once. What was refused is tried again: a certificate may have become valid. */
  async check({ replaced, refused }: Pick<WatchDeps<Value>, "replaced" | "refused">): Promise<void> {
    let read = "";
    try {
      const texts = await readFilesLater(this.#field, this.#paths);
      read = JSON.stringify(texts);
      if (read === this.#madeOf && this.#refusedRead === undefined) return;
      this.#value = this.#make(texts);
    } catch (error) {
      const lasts = read === this.#refusedRead;
      this.#refusedRead = read;
      if (!lasts || read === this.#toldRead) return;
      this.#toldRead = read;
      this.refusals += 1;
      refused(error);
      return;
    }
    this.#refusedRead = undefined;
    this.#toldRead = undefined;
    this.#madeOf = read;
    replaced(this.#value);
  }
}

function readFiles<Name extends string>(field: string, paths: FilePaths<Name>): FileTexts<Name> {
  const texts: Partial<Record<Name, string>> = {};
  for (const name in paths) {
    const path = paths[name];
    if (path === undefined) continue;
    try {
      texts[name] = readFileSync(path, "utf8");
    } catch (error) {
      throw unreadable(`${field}.${name}`, path, error);
    }
  }
  return texts;
}

async function readFilesLater<Name extends string>(
  field: string,
  paths: FilePaths<Name>,
): Promise<FileTexts<Name>> {
  const texts: Partial<Record<Name, string>> = {};
  for (const name in paths) {
    const path = paths[name];
    if (path === undefined) continue;
    try {
      texts[name] = await readFile(path, "utf8");
    } catch (error) {
      throw unreadable(`${field}.${name}`, path, error);
    }
  }
  return texts;
}

function unreadable(field: string, path: string, cause: unknown): CacheError {
  const bound = "a file that can be read";
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "error";
  const message = `${field} must be ${bound}: ${path} (${code})`;
  return new CacheError("FIELD_INVALID", message, { field, bound }, { cause });
}

/** The same for whoever reads them only now and then, such as before a connection. Keeps the last value likewise. */
export class ReReadFiles<Name extends string, Value> {
  readonly #field: string;
  readonly #paths: FilePaths<Name>;
  readonly #make: (texts: FileTexts<Name>) => Value;
  #last: { readonly read: string; readonly value: Value } | undefined;

  constructor(field: string, paths: FilePaths<Name>, make: (texts: FileTexts<Name>) => Value) {
    this.#field = field;
    this.#paths = paths;
    this.#make = make;
  }

  /** Reads them. Throws only when no value could ever be made. */
  read(): Value {
    try {
      const texts = readFiles(this.#field, this.#paths);
      const read = JSON.stringify(texts);
      if (read !== this.#last?.read) this.#last = { read, value: this.#make(texts) };
      return this.#last.value;
    } catch (error) {
      if (this.#last === undefined) throw error;
      return this.#last.value;
    }
  }
}
