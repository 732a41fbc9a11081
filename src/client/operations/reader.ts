/** Reads entries of one namespace: from the near cache if the hit rule allows it, else from the server. */

import { CacheError } from "../../common/errors.ts";
import { checkFlag, checkKey, checkStalenessMs } from "../api/checks.ts";
import type { Duration } from "../api/duration.ts";
import { optionNames } from "../api/option-names.ts";
import { ABSENT, type Entry, type EntrySource, MISS, type OutageMark, type Outcome } from "../api/results.ts";
import type { Call } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import { expectReply, freshUntilMs, readGet, toAsOf } from "../messages/replies.ts";
import { getOperation } from "../messages/requests.ts";
import type { CachedEntry, Confirmation, Decoded, Reading } from "../near-cache/cached-entry.ts";
import type { NamespaceContext } from "./namespace-context.ts";
import { isOutage } from "./outage.ts";
import { type CallOptions, FrequentRequest, type RunOptions } from "./runner.ts";

export interface ReadOptions extends CallOptions {
  /**
   * Serve from the near cache only an entry that was current on the server within this many milliseconds. 0 always asks
   * the server. Default: the lease of the client.
   */
  readonly maxStalenessMs?: Duration;
  /** Accept an entry that is past its TTL and in its stale window. Always asks the server. Default false. */
  readonly allowStale?: boolean;
}

export const READ_OPTIONS = optionNames<ReadOptions>({
  deadlineMs: true,
  signal: true,
  maxStalenessMs: true,
  allowStale: true,
});

/** A response and its decoded value. A class and not an object literal: codec/fast/messages.ts says why. */
export class Found<Value> {
  readonly reading: Reading;
  readonly outcome: Outcome<Value>;

  constructor(reading: Reading, outcome: Outcome<Value>) {
    this.reading = reading;
    this.outcome = outcome;
  }
}

export class EntryReader<Value> {
  readonly #context: NamespaceContext<Value>;

  constructor(context: NamespaceContext<Value>) {
    this.#context = context;
  }

  /** The near-cache entry, if these options and the hit rule allow it. */
  near(key: string, options: ReadOptions | undefined): CachedEntry<Value> | undefined {
    const { near } = this.#context;
    if (near === undefined || options?.allowStale) return undefined;
    if (options === undefined) return near.read(key);
    const maxStalenessMs = checkStalenessMs(options.maxStalenessMs);
    if (maxStalenessMs === undefined) return near.read(key);
    return maxStalenessMs > 0 ? near.readWithin(key, maxStalenessMs) : undefined;
  }

  /** Asks the server, naming the version that is cached, and keeps the answer if the fill rule allows it. */
  fetch(key: string, options?: ReadOptions & RunOptions): Promise<Found<Value>> {
    return this.#ask(key, options, asIs);
  }

  /** The copy that may be served because there is an outage. */
  outageCopy(key: string, options: Pick<ReadOptions, "maxStalenessMs" | "allowStale"> | undefined) {
    const { near, coherence, outageHit } = this.#context;
    const { outageTtlMs } = this.#context.options;
    if (outageTtlMs === 0 || !coherence.isOutage || options?.allowStale) return undefined;
    const maxStalenessMs = checkStalenessMs(options?.maxStalenessMs) ?? outageTtlMs;
    if (maxStalenessMs === 0) return undefined;
    const copy = near?.readInOutage(key, Math.min(outageTtlMs, maxStalenessMs));
    if (copy !== undefined) outageHit?.();
    return copy;
  }

  /** As `fetch`, when there is room in the window: others are not kept waiting. */
  revalidate(key: string): Promise<unknown> {
    return this.fetch(key, { bulk: this.#context.runner.bulk() });
  }

  /** As `fetch`, for the outcome alone; in an outage the copy that may be served. */
  get(key: string, options?: ReadOptions & RunOptions): Promise<Outcome<Value>> {
    const ask = () => this.#ask(key, options, outcomeIn);
    if (this.#context.options.outageTtlMs === 0) return ask();
    return this.#askUnlessOutage(key, options, ask, (copy) => ({ ...this.#outcomeOf(copy), outage: true }));
  }

  /** As `fetch`, as the caller gets it; in an outage the copy that may be served. */
  getEntry(key: string, options: ReadOptions): Promise<Entry<Value>> {
    const ask = async () => this.entry(await this.fetch(key, options), "remote");
    return this.#askUnlessOutage(key, options, ask, (copy) => this.outageEntry(copy));
  }

  /** There may be an outage before the server is asked, and by the time that it has not answered. */
  async #askUnlessOutage<Result>(
    key: string,
    options: ReadOptions | undefined,
    ask: () => Promise<Result>,
    fromCopy: (copy: CachedEntry<Value>) => Result,
  ): Promise<Result> {
    const copy = this.outageCopy(key, options);
    if (copy !== undefined) return fromCopy(copy);
    try {
      return await ask();
    } catch (error) {
      const since = isOutage(error) ? this.outageCopy(key, options) : undefined;
      if (since === undefined) throw error;
      return fromCopy(since);
    }
  }

  #ask<Result>(
    key: string,
    options: (ReadOptions & RunOptions) | undefined,
    pick: (found: Found<Value>) => Result,
  ): Promise<Result> {
    const { near, namespace, runner } = this.#context;
    checkKey(key, runner.limits);
    const allowStale = options !== undefined && checkFlag("allowStale", options.allowStale, false);
    const known = near?.revalidatable(key);
    const version = known && { epoch: known.epoch, revision: known.version };
    const operation = getOperation(key, allowStale, version);
    const coverage = near && (() => near.coverage());
    const read = (reply: OperationReply, call: Call) => pick(this.#read(key, known, reply, call));
    return runner.run(new FrequentRequest("Get", namespace, operation, "anyEpoch", options, coverage, read));
  }

  #read(key: string, known: CachedEntry<Value> | undefined, reply: OperationReply, call: Call): Found<Value> {
    const response = expectReply(reply, "get");
    const reading = readGet(key, response, call.sentAtMs);
    if (reading !== "notModified") return this.take(reading, call.coverage);
    if (known === undefined || response.outcome.case !== "notModified") {
      throw new CacheError("INTERNAL", "the server confirmed a version that was not named");
    }
    const { value } = response.outcome;
    return this.#confirmed(known, call, {
      asOf: toAsOf(response.asOf),
      readAtMs: call.sentAtMs,
      ageMs: Number(value.ageMs),
      freshUntilMs: freshUntilMs(value, call.sentAtMs),
    });
  }

  /** Asks the server and keeps nothing. `answered` is called synchronously, before any later frame is handled. */
  async inspect(key: string, answered: (reading: Reading) => void): Promise<void> {
    const { namespace, runner } = this.#context;
    return runner.run({
      name: "Get",
      namespace,
      operation: getOperation(key, false),
      retry: "never",
      read: (reply, call) => {
        const reading = readGet(key, expectReply(reply, "get"), call.sentAtMs);
        if (reading !== "notModified") answered(reading);
      },
    });
  }

  /** Decodes a response and offers it to the near cache. Throws CODEC. */
  take(answer: Reading, coverage: number): Found<Value> {
    const { near } = this.#context;
    const reading = answer.contentEncoding === "" ? answer : this.#unpack(answer);
    const decoded = reading.encoded && this.#decode(reading.encoded);
    const outcome = decoded?.hit ?? (reading.kind === "absent" ? ABSENT : MISS);
    if (near !== undefined) {
      const stale = reading.freshUntilMs === Number.NEGATIVE_INFINITY;
      const undecodable = reading.kind === "hit" && outcome.kind !== "hit";
      if (stale || undecodable) near.removeOlder(reading.key, reading.asOf);
      else near.keep(reading, coverage, decoded?.shareable ? decoded.hit : undefined);
    }
    return new Found(reading, outcome);
  }

  /** The entry as the caller gets it. */
  entry({ reading, outcome }: Found<Value>, source: EntrySource, mark: OutageMark = {}): Entry<Value> {
    const nowMs = this.#context.coherence.nowMs();
    const sinceReadMs = Math.max(0, nowMs - reading.readAtMs);
    const copyAgeMs = source === "near" ? sinceReadMs : 0;
    if (outcome.kind === "miss") return { kind: "miss", source, copyAgeMs, ...mark };
    const stale = reading.freshUntilMs === Number.NEGATIVE_INFINITY;
    const facts = {
      version: reading.version === 0 ? undefined : { epoch: reading.asOf.epoch, revision: reading.version },
      sourceVersion: reading.sourceVersion,
      ageMs: reading.ageMs + sinceReadMs,
      copyAgeMs,
      ttlRemainingMs: stale ? 0 : Math.max(0, reading.freshUntilMs - nowMs),
      stale,
      tags: reading.tags,
      contentType: reading.contentType,
      source,
    };
    return { ...outcome, ...facts, ...mark };
  }

  /** A copy that is served because there is an outage, as an entry. Throws CODEC. */
  outageEntry(copy: CachedEntry<Value>): Entry<Value> {
    return this.entry(this.fromCached(copy), "near", { outage: true });
  }

  /** A near-cache entry in the form of a response. Throws CODEC. */
  fromCached(cached: CachedEntry<Value>): Found<Value> {
    return new Found(toReading(cached), this.#outcomeOf(cached));
  }

  #confirmed(cached: CachedEntry<Value>, call: Call, confirmation: Confirmation): Found<Value> {
    const found = new Found({ ...toReading(cached), ...confirmation }, this.#outcomeOf(cached));
    this.#context.near?.confirm(cached, confirmation, call.coverage);
    return found;
  }

  #outcomeOf(cached: CachedEntry<Value>): Outcome<Value> {
    if (cached.kind === "hit")
      return cached.shared ?? { kind: "hit", value: this.#context.values.value(cached) };
    return cached.kind === "miss" ? MISS : ABSENT;
  }

  /** Undefined when the value cannot be decoded and the namespace treats that as a miss. */
  #decode(encoded: Uint8Array): Decoded<Value> | undefined {
    try {
      return this.#context.values.decode(encoded);
    } catch (error) {
      this.#undecodable(error);
      return undefined;
    }
  }

  /** As `#decode`: then it has no bytes. */
  #unpack(answer: Reading): Reading {
    const { packing, runner } = this.#context;
    try {
      return packing.unpack(answer, runner.limits);
    } catch (error) {
      this.#undecodable(error);
      return { ...answer, encoded: undefined };
    }
  }

  /** Throws the error, unless the namespace treats what cannot be decoded as a miss. */
  #undecodable(error: unknown): void {
    const { options, namespace, report } = this.#context;
    if (options.undecodable === "error") throw error;
    report({ kind: "undecodable", namespace, codec: options.codec.name });
  }
}

const asIs = <Value>(found: Found<Value>): Found<Value> => found;
const outcomeIn = <Value>({ outcome }: Found<Value>): Outcome<Value> => outcome;

function toReading<Value>(cached: CachedEntry<Value>): Reading {
  return {
    key: cached.key,
    kind: cached.kind,
    asOf: { epoch: cached.epoch, shard: cached.shard, revision: cached.revision },
    readAtMs: cached.readAtMs,
    ageMs: cached.ageMs,
    freshUntilMs: cached.freshUntilMs,
    version: cached.version,
    sourceVersion: cached.sourceVersion,
    tags: cached.tags,
    contentType: cached.contentType,
    contentEncoding: "",
    encoded: cached.encoded,
  };
}
