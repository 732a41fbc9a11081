/**
 * Answers a route from the cache, and keeps what its handler answers. A miss takes the lease of its key before the handler runs, and
 * the answer is stored by that lease: so the handler runs once for all who wait, and what was read before an invalidation is never
 * stored after it.
 */
import type { FastifyReply, FastifyRequest } from "fastify";
import { loaded } from "../../client/api/load-result.ts";
import type { Entry } from "../../client/api/results.ts";
import type { Namespace } from "../../client/namespace.ts";
import { asBuffer } from "../../common/bytes.ts";
import { CacheError } from "../../common/errors.ts";
import { ForeignKeys } from "../foreign-keys.ts";
import type { ResolvedCaching } from "./route-options.ts";
import {
  decodeResponse,
  encodeResponse,
  hasCredentials,
  isForOthers,
  type StoredResponse,
  toStored,
} from "./stored-response.ts";

/** What the header `x-meshcache` of an answer says. */
export const ANSWERED_BY = "x-meshcache";

/** The right to store what the handler answers to one request. */
interface Right {
  /** What it answered, if that may be kept. */
  answered?: StoredResponse | undefined;
  keep(encoded: Buffer): void;
  giveUp(): void;
}

/** So long a handler may take whose answer is kept, and others wait for it. */
const HANDLER_MAX_MS = 30_000;

export class RouteCache {
  readonly #responses: Namespace<Uint8Array>;
  readonly #caching: ResolvedCaching;
  readonly #keys: ForeignKeys;
  readonly #rights = new WeakMap<FastifyRequest, Right>();
  /** Requests that are answered with text of the cache. */
  readonly #texts = new WeakSet<FastifyRequest>();

  /** `route`: its method and its pattern. */
  constructor(responses: Namespace<Uint8Array>, caching: ResolvedCaching, route: string) {
    this.#responses = responses;
    this.#caching = caching;
    this.#keys = new ForeignKeys(route);
  }

  /** Sends what the cache has. Else it returns when the handler may run. */
  async answer(request: FastifyRequest, reply: FastifyReply): Promise<FastifyReply | undefined> {
    if (hasCredentials(request) && !this.#caching.shared) return undefined;
    const entry = await this.#find(request);
    const stored = entry?.kind === "hit" ? decodeResponse(asBuffer(entry.value)) : undefined;
    if (stored === undefined) return undefined;
    if (stored.isText) this.#texts.add(request);
    // What another request of this process has just brought is near, too.
    reply
      .headers(stored.headers)
      .header("age", ageOf(stored, entry?.kind === "hit" ? entry.ageMs : 0))
      .header(ANSWERED_BY, entry?.source === "remote" ? "remote" : "near");
    return reply.send(stored.body);
  }

  /** Before the hooks that change answers: remembers what the handler answered. Returns what they get. */
  begin(request: FastifyRequest, reply: FastifyReply, payload: unknown): unknown {
    const right = this.#rights.get(request);
    if (right !== undefined) right.answered = toStored(reply, payload, this.#caching.vary);
    return this.#texts.has(request) && Buffer.isBuffer(payload) ? payload.toString() : payload;
  }

  /** After these hooks: keeps the answer of the handler, if this request has the right to. */
  keep(request: FastifyRequest, reply: FastifyReply): void {
    const right = this.#rights.get(request);
    if (right === undefined) return;
    this.#rights.delete(request);
    const { answered } = right;
    if (answered === undefined || !isForOthers(reply)) right.giveUp();
    else right.keep(encodeResponse(answered));
    reply.header(ANSWERED_BY, "miss");
  }

  /** For a request that has ended without an answer. */
  giveUp(request: FastifyRequest): void {
    this.#rights.get(request)?.giveUp();
    this.#rights.delete(request);
  }

  /** Undefined: the handler is to run, with the right to keep its answer or without. */
  async #find(request: FastifyRequest): Promise<Entry<Uint8Array> | undefined> {
    const key = this.#keys.toKey(this.#selector(request));
    const { ttlMs } = this.#caching;
    const tags = this.#caching.tagsOf(request);
    const mayRun = Promise.withResolvers<undefined>();
    const reading = this.#responses.entry(key, {
      loader: () =>
        new Promise((resolve, reject) => {
          this.#rights.set(request, {
            keep: (encoded) => resolve(loaded(encoded, { ttlMs, tags })),
            giveUp: () => reject(new CacheError("CANCELLED", "the response is not kept")),
          });
          mayRun.resolve(undefined);
        }),
      hardTimeoutMs: HANDLER_MAX_MS,
      waitMs: HANDLER_MAX_MS,
    });
    // A failure is that of another request, or of the cache: the handler runs without the right.
    return Promise.race([mayRun.promise, reading.catch(() => undefined)]);
  }

  #selector({ url, headers }: FastifyRequest): string {
    return JSON.stringify([url, ...this.#caching.vary.map((name) => headers[name] ?? null)]);
  }
}

/** Whole seconds since the handler, or whoever it had it from, made the answer (RFC 9111, section 5.1). */
function ageOf({ headers }: StoredResponse, keptForMs: number): number {
  const given = Number(headers.age ?? 0);
  return Math.floor(keptForMs / 1_000) + (Number.isSafeInteger(given) && given > 0 ? given : 0);
}
