/** GET and HEAD: from the cache as the rules permit, else from the origin, once in the mesh for all who wait for the same. */
import { CacheError } from "../common/errors.ts";
import type { CacheStatus } from "./cache-status.ts";
import type { ClientAnswer } from "./client-answer.ts";
import { type LoadDeps, type LoadOutcome, type LoadRequest, NotKept, OriginLoad } from "./origin-load.ts";
import { answerFailure, type Passing } from "./passing.ts";
import { findNear, findPlace, hitStatus, type Place, toAged } from "./place.ts";
import type { ProxiedRequest } from "./proxied-request.ts";
import type { StoredEntry } from "./response-store.ts";
import { type Aged, toReuse } from "./rules/reuse.ts";

const ONLY_IF_CACHED = 504;

export class Reads {
  readonly #deps: LoadDeps;
  readonly #passing: Passing;

  constructor(deps: LoadDeps, passing: Passing) {
    this.#deps = deps;
    this.#passing = passing;
  }

  /** Never rejects, but for faults. */
  async serve(request: ProxiedRequest, answer: ClientAnswer): Promise<void> {
    const { directives, askedWith } = request;
    if (isForOrigin(request) || askedWith.noStore) {
      await this.#passing.pass(request, answer, askedWith.noStore ? "request" : "bypass");
      return;
    }
    const { store } = this.#deps;
    const place = findNear(store, request) ?? (await findPlace(store, request));
    const aged = toAged(place.entry, request);
    if (aged !== undefined && (!askedWith.authorization || aged.response.use.authorized)) {
      const reuse = toReuse(aged, directives);
      if (reuse.kind !== "validate") {
        const status = hitStatus(aged, place.entry);
        answer.outcome(reuse.kind === "stale" ? "stale" : "hit", status.detail);
        this.#serveStored(request, answer, aged, status);
        if (reuse.kind === "stale" && reuse.refresh) await this.#refresh(request, place, aged);
        return;
      }
      await this.#ask(request, answer, { ...place, reason: reuse.why }, aged);
      return;
    }
    await this.#ask(request, answer, place, undefined);
  }

  #serveStored(request: ProxiedRequest, answer: ClientAnswer, aged: Aged, status: CacheStatus): void {
    answer.stored(request, aged.response, aged.ageMs, status, this.#deps.wallMs());
  }

  // ---- Asking the origin -----------------------------------------------------------------------------------

  /** `aged`: what is stored for the request and must be validated. */
  async #ask(
    request: ProxiedRequest,
    answer: ClientAnswer,
    place: Place,
    aged: Aged | undefined,
  ): Promise<void> {
    const { reason } = place;
    if (request.directives.has("only-if-cached")) {
      answer.outcome("refused");
      answer.refuse(ONLY_IF_CACHED, "it is not in the cache");
      return;
    }
    const isPart = request.headers.range !== undefined && aged === undefined;
    const isOthers =
      request.askedWith.authorization && place.entry?.value.kind === "response" && aged === undefined;
    if (request.method === "HEAD" || isPart || isOthers) {
      await this.#passing.pass(request, answer, reason);
      return;
    }
    const load = { request, stored: aged, answer, status: { fwd: reason } };
    // Nothing that somebody else gets would answer it: it is fresh and of no use here, or must be confirmed for each request.
    const { key, entry } = place;
    if (entry !== undefined && (!entry.stale || aged?.response.use.validate))
      await this.#askAlone(load, key, entry);
    else await this.#askTogether(load, key);
  }

  /** One request to the origin in the whole mesh, for all who wait for this key. */
  async #askTogether(load: ClientLoad, key: string): Promise<void> {
    const own = new OriginLoad(this.#deps, load);
    const loading = this.#deps.store.load(key, (signal) => own.run(signal));
    const others = loading.then(
      (entry) => ({ entry, error: undefined }),
      (error: unknown) => ({ entry: undefined, error }),
    );
    await Promise.race([own.begun, others]);
    if (own.isBegun) {
      await this.#finish(load, own);
      return;
    }
    const { entry, error } = await others;
    await this.#useOthers(load, key, entry, error);
  }

  /** What somebody else has got from the origin, if it answers this request too. */
  async #useOthers(
    load: ClientLoad,
    key: string,
    entry: StoredEntry | undefined,
    error: unknown,
  ): Promise<void> {
    const { request, answer } = load;
    if (error instanceof CacheError && error.reason === "UNAVAILABLE") {
      answerFailure(answer, error, load.status);
      return;
    }
    const aged = toAged(entry, request);
    const mayUse = aged !== undefined && (!request.askedWith.authorization || aged.response.use.authorized);
    if (mayUse && !aged.isStale && !aged.response.use.validate) {
      answer.outcome("collapsed");
      this.#serveStored(request, answer, aged, { ...load.status, collapsed: true });
      return;
    }
    if (entry !== undefined) await this.#askAlone(load, key, entry);
    else await this.#passing.pass(request, answer, load.status.fwd ?? "miss");
  }

  /** A request of its own, whose answer takes the place of `entry`. */
  async #askAlone(load: ClientLoad, key: string, entry: StoredEntry): Promise<void> {
    const own = new OriginLoad(this.#deps, {
      ...load,
      asItCame: load.stored === undefined && entry.value.kind === "passed",
    });
    const done = own.run(this.#passing.signal()).then(
      (kept) =>
        kept.value.kind === "passed" && entry.value.kind === "passed"
          ? undefined
          : this.#deps.store.replace(key, entry, kept),
      () => undefined,
    );
    await this.#finish(load, own);
    await done;
  }

  async #finish(load: ClientLoad, own: OriginLoad): Promise<void> {
    const { request, answer, stored } = load;
    const outcome: LoadOutcome = await own.outcome;
    switch (outcome.kind) {
      case "answered":
        answer.outcome("miss");
        return;
      case "confirmed": {
        const { response } = outcome;
        answer.outcome("revalidated");
        const aged = { response, ageMs: response.initialAgeMs, isStale: false };
        this.#serveStored(request, answer, aged, { ...load.status, fwdStatus: 304, stored: true });
        return;
      }
      case "failed":
        if (stored === undefined) throw new TypeError("nothing is stored that could be served");
        answer.outcome("stale_on_error");
        this.#serveStored(request, answer, stored, {
          ...load.status,
          ...(outcome.status !== undefined && { fwdStatus: outcome.status }),
          ttlMs: stored.response.lifetimeMs - stored.ageMs,
        });
        return;
      case "error":
        answerFailure(answer, outcome.error, load.status);
        return;
      default:
        outcome satisfies never;
    }
  }

  /** Asks the origin while the stale response is served, once in the mesh. */
  async #refresh(request: ProxiedRequest, { key, entry }: Place, stored: Aged): Promise<void> {
    const own = new OriginLoad(this.#deps, { request, stored, answer: undefined, status: {} });
    try {
      if (entry?.stale) await this.#deps.store.load(key, (signal) => own.run(signal), 0);
    } catch (error) {
      if (!(error instanceof CacheError || error instanceof NotKept)) throw error;
    }
  }
}

type ClientLoad = LoadRequest & { readonly answer: ClientAnswer };

/** The body of a GET is in no key, and these conditions are not for caches (RFC 9111, 4.3.2). */
function isForOrigin({ hasBody, headers }: ProxiedRequest): boolean {
  return hasBody || headers["if-match"] !== undefined || headers["if-unmodified-since"] !== undefined;
}
