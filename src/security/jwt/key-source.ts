/** Where the keys of an issuer come from: a file that is followed, or an URL that is asked now and then. Keeps the last good ones. */
import type { Boundary } from "../../common/boundary.ts";
import type { Clock, Timer } from "../../common/clock.ts";
import { fieldInvalid } from "../../common/errors.ts";
import { WatchedFiles } from "../files/watched-files.ts";
import { isUrl } from "./issuers.ts";
import { parseKeySet, type VerificationKey } from "./key-set.ts";

export interface KeySourceDeps {
  readonly clock: Clock;
  readonly boundary: Boundary;
  readonly everyMs: number;
  readonly refused: (error: unknown) => void;
}

/** "pending": keys may be on their way that are not known yet. */
export type KeyState = "known" | "pending";

export interface KeySource {
  /** Empty: none has come yet. */
  readonly keys: readonly VerificationKey[];
  /** Whether the last attempt to get new keys failed. */
  readonly isRefused: boolean;
  /** A token has a key that is not here: looks for new ones, but not too often. */
  miss(): KeyState;
  /** `replaced`: called with each new list. Returns what stops it. */
  watch(deps: KeySourceDeps, replaced: () => void): () => void;
}

/** How old the keys of an URL may become. */
const AGE_MAX_MS = 600_000;
/** The shortest time between two requests. */
const COOL_DOWN_MS = 30_000;
const TIMEOUT_MS = 5_000;
const BODY_MAX_BYTES = 1_048_576;

/** Throws FIELD_INVALID for a file that cannot be used. What an URL has shows later. */
export function openKeySource(jwks: string): KeySource {
  return isUrl(jwks) ? new KeyUrl(jwks) : new KeyFile(jwks);
}

class KeyFile implements KeySource {
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
  #deps: KeySourceDeps | undefined;
  #replaced = (): void => {};
  #askedMs = Number.NEGATIVE_INFINITY;
  #isAsking = false;
  #aging: Timer | undefined;

  constructor(url: string) {
    this.#url = url;
  }

  miss(): KeyState {
    this.#ask();
    return this.#isAsking || this.keys.length === 0 ? "pending" : "known";
  }

  watch(deps: KeySourceDeps, replaced: () => void): () => void {
    this.#deps = deps;
    this.#replaced = replaced;
    this.#ask();
    return () => {
      this.#deps = undefined;
      this.#aging?.cancel();
    };
  }

  #ask(): void {
    const deps = this.#deps;
    if (deps === undefined || this.#isAsking) return;
    const nowMs = deps.clock.nowMs();
    if (nowMs - this.#askedMs < COOL_DOWN_MS) return;
    this.#askedMs = nowMs;
    this.#isAsking = true;
    const took = deps.boundary.guard(undefined, (keys: readonly VerificationKey[]) => this.#took(keys));
    const failed = deps.boundary.guard(undefined, (error: unknown) => {
      this.#isAsking = false;
      if (!this.isRefused) deps.refused(error);
      this.isRefused = true;
      this.#askLater(COOL_DOWN_MS);
    });
    fetchKeys(this.#url).then(took, failed);
  }

  #took(keys: readonly VerificationKey[]): void {
    this.#isAsking = false;
    this.isRefused = false;
    this.keys = keys;
    this.#askLater(AGE_MAX_MS);
    this.#replaced();
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

async function fetchKeys(url: string): Promise<readonly VerificationKey[]> {
  // A redirect could lead to a server that may not name keys.
  const answer = await fetch(url, { redirect: "error", signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (!answer.ok) throw new Error(`the keys' server answered with the HTTP status ${answer.status}`);
  const parts: Uint8Array[] = [];
  let bytes = 0;
  for await (const part of answer.body ?? []) {
    bytes += part.length;
    if (bytes > BODY_MAX_BYTES) throw new Error("the keys' server answered with too much");
    parts.push(part);
  }
  const keys = parseKeySet(Buffer.concat(parts).toString());
  if (keys === undefined) throw new Error("the keys' server answered with no key that could be used");
  return keys;
}
