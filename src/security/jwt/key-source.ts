/**
 * Where the keys of an issuer come from: a file that is followed, or an URL that is asked now and then, by one thread for all of
 * the process. Keeps the last good ones.
 */
import type { Boundary } from "../../common/boundary.ts";
import { ageOf, type Clock, type Timer } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { WatchedFiles } from "../files/watched-files.ts";
import { isUrl } from "./issuers.ts";
import { parseKeySet, type VerificationKey } from "./key-set.ts";
import { createKeyMemory, KEYS_MAX_BYTES, type KeyMemory, SharedKeys } from "./shared-keys.ts";

export interface KeySourceDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly everyMs: number;
  readonly refused: (error: unknown) => void;
}

/** "pending": there may be keys that are not known yet, since they are on their way, or cannot be asked for. */
export type KeyState = "known" | "pending";

export interface KeySource {
  /** Empty: none has come yet, or they are too old. */
  readonly keys: readonly VerificationKey[];
  /** Whether the last attempt to get new keys failed. */
  readonly isRefused: boolean;
  /** Of an URL: what the threads of the process share. */
  readonly memory: SharedArrayBuffer | undefined;
  /** A token has a key that is not here: takes new ones that another thread got, and asks for newer ones, but not too often. */
  miss(): KeyState;
  /** `replaced`: called with each new list. Returns what stops it. */
  watch(deps: KeySourceDeps, replaced: () => void): () => void;
}

/** How old the keys of an URL become before they are asked for again. */
const AGE_MAX_MS = 600_000;
/** How old they may become while the URL does not answer: who withdraws a key could not say so. */
const TRUSTED_MAX_MS = 3_600_000;
/** The shortest time between two requests. */
const COOL_DOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;

/** Throws FIELD_INVALID for a file that cannot be used. What an URL has shows later. `shared`: what other threads know of URLs. */
export function openKeySource(jwks: string, shared: KeyMemory): KeySource {
  return isUrl(jwks) ? new KeyUrl(jwks, shared.get(jwks) ?? createKeyMemory()) : new KeyFile(jwks);
}

class KeyFile implements KeySource {
  readonly memory = undefined;
  readonly #files: WatchedFiles<"jwks", readonly VerificationKey[]>;

  constructor(path: string) {
    this.#files = new WatchedFiles("jwt", { jwks: path }, ({ jwks = "" }) => {
      const keys = parseKeySet(jwks);
      if (keys === undefined)
        throw fieldInvalid("jwt.jwks", "a JSON Web Key Set with a key for RS256, ES256 or EdDSA");
      return keys;
    });
  }

  get keys(): readonly VerificationKey[] {
    return this.#files.value;
  }

  get isRefused(): boolean {
    return this.#files.isRefused;
  }

  miss(): KeyState {
    return "known";
  }

  watch(deps: KeySourceDeps, replaced: () => void): () => void {
    return this.#files.watch({ ...deps, replaced });
  }
}

class KeyUrl implements KeySource {
  keys: readonly VerificationKey[] = [];
  isRefused = false;
  readonly #url: string;
  readonly #shared: SharedKeys;
  #deps: KeySourceDeps | undefined;
  #replaced = (): void => {};
  #aging: Timer | undefined;
  #following: Timer | undefined;
  #expiring: Timer | undefined;

  constructor(url: string, memory: SharedArrayBuffer) {
    this.#url = url;
    this.#shared = new SharedKeys(memory);
  }

  get memory(): SharedArrayBuffer {
    return this.#shared.memory;
  }

  miss(): KeyState {
    this.#takeNew();
    this.#ask();
    const { isAsking, hasFailed } = this.#shared;
    return isAsking || hasFailed || this.keys.length === 0 ? "pending" : "known";
  }

  watch(deps: KeySourceDeps, replaced: () => void): () => void {
    this.#deps = deps;
    this.#replaced = replaced;
    this.#follow();
    this.#ask();
    return () => {
      this.#deps = undefined;
      this.#aging?.cancel();
      this.#following?.cancel();
      this.#expiring?.cancel();
    };
  }

  #ask(): void {
    const deps = this.#deps;
    if (deps === undefined || !this.#shared.claim(deps.clock.nowMs(), COOL_DOWN_MS)) return;
    const took = deps.boundary.guard(undefined, (answer: Uint8Array) => {
      this.#shared.answer(answer, deps.clock);
      this.#takeNew();
    });
    const failed = deps.boundary.guard(undefined, (error: unknown) => {
      this.#shared.fail();
      if (!this.isRefused) deps.refused(error);
      this.isRefused = true;
      this.#askLater(COOL_DOWN_MS);
    });
    fetchKeys(this.#url).then(took, failed);
  }

  /** Takes the keys that some thread got, now and from now on. */
  #follow(): void {
    const deps = this.#deps;
    if (deps === undefined) return;
    this.#takeNew();
    this.#dropOld(deps);
    this.#following = deps.clock.schedule(
      deps.everyMs,
      deps.boundary.guard(undefined, () => this.#follow()),
    );
  }

  #takeNew(): void {
    const answer = this.#shared.takeNew();
    const keys = answer === undefined ? undefined : parseKeySet(answer);
    if (keys === undefined) return;
    this.isRefused = false;
    this.keys = keys;
    this.#askLater(AGE_MAX_MS);
    this.#replaced();
    if (this.#deps !== undefined) this.#dropOld(this.#deps);
  }

  /** Drops the keys when they have become too old, now or later. */
  #dropOld(deps: KeySourceDeps): void {
    this.#expiring?.cancel();
    if (this.keys.length === 0) return;
    const leftMs = TRUSTED_MAX_MS - ageOf(this.#shared.answered, deps.clock);
    if (leftMs <= 0) {
      this.keys = [];
      this.#replaced();
      this.#ask();
      return;
    }
    const drop = deps.boundary.guard(undefined, () => this.#dropOld(deps));
    this.#expiring = deps.clock.schedule(leftMs, drop);
  }

  #askLater(afterMs: number): void {
    const deps = this.#deps;
    if (deps === undefined) return;
    this.#aging?.cancel();
    this.#aging = deps.clock.schedule(
      afterMs,
      deps.boundary.guard(undefined, () => this.#ask()),
    );
  }
}

/** An answer that has keys. */
async function fetchKeys(url: string): Promise<Uint8Array> {
  // A redirect could lead to a server that may not name keys.
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the keys' server answered with the HTTP status ${answer.status}`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > KEYS_MAX_BYTES) throw new Error("the keys' server answered with too much");
    parts.push(part);
  }
  const body = Buffer.concat(parts);
  if (parseKeySet(body.toString()) === undefined)
    throw new Error("the keys' server answered with no key that could be used");
  return body;
}
