/**
 * Keeps the responses of services in a namespace of the cache, as their options say: which calls may be answered from it, under
 * which keys, and what a write invalidates. It knows nothing of what carries the calls.
 */
import { setImmediate } from "node:timers";
import { checkCache } from "../client/api/cache-option.ts";
import { durationOption } from "../client/api/checks.ts";
import type { Duration } from "../client/api/duration.ts";
import { keptAfter, type Loaded, loaded } from "../client/api/load-result.ts";
import { QueuedInvalidationError } from "../client/api/queued-invalidation-error.ts";
import type { MeshCache } from "../client/mesh-cache.ts";
import type { Namespace } from "../client/namespace.ts";
import { CacheError, fieldInvalid } from "../common/errors.ts";
import { LONGEST_WAIT_MS } from "../common/longest-wait.ts";
import { type Answer, fromStored, toStored } from "./answer.ts";
import type { AnswerSource, WriteEffect } from "./answer-source.ts";
import { type CallMetadata, type OtherCredentials, variantOf } from "./caller-variant.ts";
import { compileRules, type MethodRule } from "./options/method-rules.ts";
import type { ReadRule } from "./options/read-rule.ts";
import { withVariant } from "./options/request-key.ts";
import { readServices, type ServiceMethod, type ServiceSource } from "./options/service-methods.ts";
import { UnkeyableRequest } from "./options/wire-reader.ts";
import type { WriteRule } from "./options/write-rule.ts";
import { PendingFills } from "./pending-fills.ts";
import { responseNamespace } from "./response-namespace.ts";

export interface ResponseCacheOptions {
  /** Keeps the responses. */
  readonly cache: MeshCache;
  /**
   * Where they are kept; default "responses". Services whose writes invalidate each other's responses need the same one, and
   * so do all processes that cache a service.
   */
  readonly namespace?: string;
  /**
   * How long a call may take whose response is kept: it runs for all who wait for it, and so without the deadline of any of
   * them. 1 to 58,000 ms; default 30,000. A caller who has more time then calls on its own.
   */
  readonly loadTimeoutMs?: Duration;
  /**
   * Serve from this process only what was current within this time. 0: always ask the cache. Default: the lease of the client.
   */
  readonly maxStalenessMs?: Duration;
  /**
   * How long the answer of a write waits for its invalidations to be acknowledged, and never beyond the deadline of the call: 1 to
   * 600,000 ms; default 2,000. Those that are not are sent as soon as there is a connection.
   */
  readonly acknowledgeWithinMs?: Duration;
}

export interface SourcedAnswer {
  readonly answer: Answer;
  readonly source: AnswerSource;
  /** It is the answer to this very call, with all its metadata. */
  readonly isOwn: boolean;
}

export interface KeyedCall {
  readonly rule: ReadRule;
  readonly key: string;
  tags(): readonly string[];
}

/** More tags than an entry may have. */
const ENTRY_TAGS_MAX = 16;
const OK = 0;

/** An answer that is an error and is not kept. */
class UnkeptAnswer extends Error {
  override readonly name = "UnkeptAnswer";
  readonly answer: Answer;

  constructor(answer: Answer) {
    super("the service has answered with an error");
    this.answer = answer;
  }
}

/** After what runs in this turn of the event loop. */
const nextTurn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

export class ResponseCache {
  readonly #rules: ReadonlyMap<string, MethodRule>;
  readonly #responses: Namespace<Buffer>;
  readonly #readOptions: { readonly maxStalenessMs: number } | undefined;
  readonly loadTimeoutMs: number;
  readonly #acknowledgeWithinMs: number;
  readonly #fills: PendingFills;

  /** Throws FIELD_INVALID for an option out of its range, and for options of methods that are wrong. */
  constructor(options: ResponseCacheOptions, services: readonly ServiceSource[], fills = new PendingFills()) {
    checkCache(options);
    this.#fills = fills;
    this.#rules = resolveRules(readServices(services));
    this.loadTimeoutMs = durationOption("loadTimeoutMs", options.loadTimeoutMs, 30_000, 1, 58_000);
    const { maxStalenessMs, acknowledgeWithinMs } = options;
    this.#acknowledgeWithinMs = durationOption(
      "acknowledgeWithinMs",
      acknowledgeWithinMs,
      2_000,
      1,
      LONGEST_WAIT_MS,
    );
    this.#readOptions =
      maxStalenessMs === undefined
        ? undefined
        : { maxStalenessMs: durationOption("maxStalenessMs", maxStalenessMs, 0, 0, LONGEST_WAIT_MS) };
    this.#responses = responseNamespace(options.cache, options.namespace);
  }

  /** Undefined: calls of this path are none of its business. */
  ruleOf(path: string): MethodRule | undefined {
    return this.#rules.get(path);
  }

  /** Undefined: the call goes to the service, and its answer is not kept. */
  keyOf(
    rule: ReadRule,
    request: Uint8Array,
    metadata: CallMetadata,
    other: OtherCredentials,
  ): KeyedCall | undefined {
    const variant = variantOf(rule, metadata, other);
    if (variant === undefined) return undefined;
    try {
      const { key, tags } = rule.keyOf(request);
      if (rule.hasManyTags && tags().length > ENTRY_TAGS_MAX) return undefined;
      return { rule, key: withVariant(key, variant), tags };
    } catch (error) {
      if (error instanceof UnkeyableRequest) return undefined;
      throw error;
    }
  }

  /** The answer, if the near cache may serve it now. */
  near({ key }: KeyedCall): Answer | undefined {
    try {
      const outcome = this.#responses.peek(key, this.#readOptions);
      return outcome?.kind === "hit" ? fromStored(outcome.value) : undefined;
    } catch (error) {
      // Such as a client that is closed: the service is there.
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }

  /**
   * The answer, from the cache or by `load`, which runs once in the mesh for all who wait, and resolves with errors of the
   * service too. It does not wait until what `load` resolves with is stored. Undefined: the cache cannot help, or `load` took
   * too long; the call goes to the service. Rejects with what `load` rejects with.
   */
  async read(
    call: KeyedCall,
    load: (signal: AbortSignal) => Promise<Answer>,
  ): Promise<SourcedAnswer | undefined> {
    const filling = this.#fills.of(call.key);
    if (filling !== undefined) {
      await filling;
      const answer = this.near(call);
      if (answer !== undefined) return { answer, source: "near", isOwn: false };
    }
    if (!this.#fills.hasRoom) return this.#read(call, load);
    const { promise: own, resolve } = Promise.withResolvers<SourcedAnswer>();
    const entry = this.#read(call, load, (answer) => resolve({ answer, source: "miss", isOwn: true }));
    const first = await Promise.race([own, entry]);
    if (first?.isOwn) this.#fills.add(call.key, entry);
    return first;
  }

  /** `answered` is called with an answer that is about to be stored, behind what its caller does with it at once. */
  async #read(
    { rule, key, tags }: KeyedCall,
    load: (signal: AbortSignal) => Promise<Answer>,
    answered?: (answer: Answer) => void,
  ): Promise<SourcedAnswer | undefined> {
    let own: Answer | undefined;
    const loader = async ({ signal }: { readonly signal: AbortSignal }): Promise<Loaded<Buffer>> => {
      const answer = await load(signal);
      own = answer;
      const kept = this.#toLoaded(rule, answer, tags());
      if (answered === undefined) return kept;
      answered(answer);
      return keptAfter(kept, nextTurn());
    };
    try {
      const entry = await this.#responses.entry(key, {
        loader,
        hardTimeoutMs: this.loadTimeoutMs,
        waitMs: this.loadTimeoutMs,
        ...this.#readOptions,
      });
      // A stale entry is served while the loader runs on.
      if (entry.source === "loader" && own !== undefined) return { answer: own, source: "miss", isOwn: true };
      if (entry.kind !== "hit") return undefined;
      const answer = fromStored(entry.value);
      const source = entry.stale ? "stale" : entry.source === "loader" ? "miss" : entry.source;
      return answer && { answer, source, isOwn: false };
    } catch (error) {
      if (error instanceof UnkeptAnswer)
        return { answer: error.answer, source: "miss", isOwn: own !== undefined };
      if (error instanceof CacheError) return undefined;
      throw error;
    }
  }

  /** Invalidates what a write has made untrue, and waits at most `waitMs` for the acknowledgement. Never rejects. */
  async written(rule: WriteRule, request: Uint8Array, code: number, waitMs: number): Promise<WriteEffect> {
    if (rule.unchangedOn.has(code)) return "unchanged";
    const options = { deadlineMs: Math.max(1, Math.floor(Math.min(waitMs, this.#acknowledgeWithinMs))) };
    try {
      const { tags, keys, prefixes } = rule.targetsOf(request);
      await Promise.all([
        tags.length > 0 && this.#responses.invalidate({ tags }, options),
        keys.length > 0 && this.#responses.invalidate({ keys }, options),
        ...prefixes.map((prefix) => this.#responses.invalidate({ prefix }, options)),
      ]);
      return "invalidated";
    } catch (error) {
      // No service can read such a request, so it has changed nothing.
      if (error instanceof UnkeyableRequest) return "unchanged";
      return error instanceof QueuedInvalidationError ? "queued" : "failed";
    }
  }

  #toLoaded(rule: ReadRule, answer: Answer, tags: readonly string[]): Loaded<Buffer> {
    const isAbsent = answer.code !== OK && rule.absentOn.has(answer.code);
    if (answer.code !== OK && !isAbsent) throw new UnkeptAnswer(answer);
    const lifetimes = isAbsent
      ? { ttlMs: rule.absentTtlMs, staleMs: 0 }
      : { ttlMs: rule.ttlMs, staleMs: rule.staleMs };
    return loaded(toStored(answer, rule.keep), { ...lifetimes, tags });
  }
}

/** Throws FIELD_INVALID with the first error. */
function resolveRules(methods: readonly ServiceMethod[]): ReadonlyMap<string, MethodRule> {
  const { byPath, problems } = compileRules(methods);
  const first = problems.find(({ severity }) => severity === "error");
  if (first === undefined) return byPath;
  const error = fieldInvalid("services", "descriptors with valid options of methods");
  throw new CacheError("FIELD_INVALID", `${first.option} of ${first.method} ${first.text}`, error.detail);
}
