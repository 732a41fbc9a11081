/** Reads entries of one namespace: from the near cache when the hit rule lets it, else from the server. */

import { CacheError } from "../../common/errors.ts";
import { checkFlag, checkKey, checkStalenessMs } from "../api/checks.ts";
import { ABSENT, type Entry, type EntrySource, MISS, type Outcome } from "../api/results.ts";
import type { Call } from "../connection/pending-call.ts";
import type { OperationReply } from "../messages/replies.ts";
import { expectReply, freshUntilMs, readGet, toAsOf } from "../messages/replies.ts";
import { getOperation } from "../messages/requests.ts";
import type { Copy, Decoded, Reading } from "../near-cache/cached-entry.ts";
import type { Realm } from "./namespace-context.ts";
import { type CallOptions, FrequentOperation } from "./runner.ts";

export interface ReadOptions extends CallOptions {
  /**
   * Serve from the near cache only what was current within so many milliseconds; 0 always asks the server.
   * Default: the client's lease.
   */
  readonly maxStalenessMs?: number;
  /** Also take an entry past its TTL, in its stale window. Asks the server. Default false. */
  readonly allowStale?: boolean;
}

/** An answer and the value in it. A class for what wire/hot/messages.ts says of literals. */
export class Found<Value> {
  readonly reading: Reading;
  readonly outcome: Outcome<Value>;

  constructor(reading: Reading, outcome: Outcome<Value>) {
    this.reading = reading;
    this.outcome = outcome;
  }
}

export class EntryReader<Value> {
  readonly #realm: Realm<Value>;

  constructor(realm: Realm<Value>) {
    this.#realm = realm;
  }

  /** The near copy that these options allow, if any. */
  near(key: string, options: ReadOptions | undefined): Copy<Value> | undefined {
    const { near } = this.#realm;
    if (near === undefined || options?.allowStale) return undefined;
    if (options === undefined) return near.read(key);
    const maxStalenessMs = checkStalenessMs(options.maxStalenessMs);
    if (maxStalenessMs === undefined) return near.read(key);
    return maxStalenessMs > 0 ? near.readWithin(key, maxStalenessMs) : undefined;
  }

  /** Asks the server, saying which version is known, and keeps the answer if the fill rule allows it. */
  fetch(key: string, options?: ReadOptions): Promise<Found<Value>> {
    return this.#ask(key, options, asIs);
  }

  /** As `fetch`, for who wants the outcome alone. */
  get(key: string, options?: ReadOptions): Promise<Outcome<Value>> {
    return this.#ask(key, options, outcomeIn);
  }

  #ask<Result>(
    key: string,
    options: ReadOptions | undefined,
    pick: (found: Found<Value>) => Result,
  ): Promise<Result> {
    const { near, namespace, remote } = this.#realm;
    checkKey(key, remote.limits);
    const allowStale = options !== undefined && checkFlag("allowStale", options.allowStale, false);
    const known = near?.revalidatable(key);
    const version = known && { epoch: known.epoch, revision: known.version };
    const operation = getOperation(key, allowStale, version);
    const coverage = near && (() => near.coverage());
    const read = (reply: OperationReply, call: Call) => pick(this.#read(key, known, reply, call));
    return remote.run(
      new FrequentOperation("Get", namespace, operation, "anyEpoch", options, coverage, read),
    );
  }

  #read(key: string, known: Copy<Value> | undefined, reply: OperationReply, call: Call): Found<Value> {
    const response = expectReply(reply, "get");
    const reading = readGet(key, response, call.sentAtMs);
    if (reading !== "notModified") return this.take(reading, call.coverage);
    if (known === undefined || response.outcome.case !== "notModified") {
      throw new CacheError("INTERNAL", "the server confirmed a version that nobody named");
    }
    const until = freshUntilMs(response.outcome.value, call.sentAtMs);
    return this.#confirmed(known, call, toAsOf(response.asOf), until);
  }

  /** Asks the server and keeps nothing. `answered` is called from inside the frame that brought the answer. */
  inspect(key: string, answered: (reading: Reading) => void): Promise<void> {
    const { namespace, remote } = this.#realm;
    return remote.run({
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

  /** Decodes what a response said and offers it to the near cache. Throws CODEC. */
  take(reading: Reading, coverage: number): Found<Value> {
    const { near } = this.#realm;
    const decoded = reading.encoded && this.#decode(reading.encoded);
    const outcome = decoded?.hit ?? (reading.kind === "absent" ? ABSENT : MISS);
    if (near !== undefined) {
      const stale = reading.freshUntilMs === Number.NEGATIVE_INFINITY;
      const undecodable = reading.kind === "hit" && outcome.kind !== "hit";
      if (stale || undecodable) near.supersede(reading.key, reading.asOf);
      else near.keep(reading, coverage, decoded?.shareable ? decoded.hit : undefined);
    }
    return new Found(reading, outcome);
  }

  /** The entry as callers see it. */
  entry({ reading, outcome }: Found<Value>, source: EntrySource): Entry<Value> {
    const nowMs = this.#realm.clock.nowMs();
    const ageMs = source === "near" ? Math.max(0, nowMs - reading.readAtMs) : 0;
    if (outcome.kind === "miss") return { kind: "miss", source, ageMs };
    const stale = reading.freshUntilMs === Number.NEGATIVE_INFINITY;
    const facts = {
      version: reading.version === 0 ? undefined : { epoch: reading.asOf.epoch, revision: reading.version },
      sourceVersion: reading.sourceVersion,
      ageMs,
      ttlRemainingMs: stale ? 0 : Math.max(0, reading.freshUntilMs - nowMs),
      stale,
      tags: reading.tags,
      contentType: reading.contentType,
      source,
    };
    return { ...outcome, ...facts };
  }

  /** A near copy as an answer. Throws CODEC. */
  fromCopy(copy: Copy<Value>): Found<Value> {
    return new Found(toReading(copy), this.#outcomeOf(copy));
  }

  #confirmed(copy: Copy<Value>, call: Call, asOf: Reading["asOf"], until: number): Found<Value> {
    const reading = { ...toReading(copy), asOf, readAtMs: call.sentAtMs, freshUntilMs: until };
    const found = new Found(reading, this.#outcomeOf(copy));
    this.#realm.near?.confirm(copy, asOf, call.sentAtMs, until, call.coverage);
    return found;
  }

  #outcomeOf(copy: Copy<Value>): Outcome<Value> {
    if (copy.kind === "hit") return copy.shared ?? { kind: "hit", value: this.#realm.copies.value(copy) };
    return copy.kind === "miss" ? MISS : ABSENT;
  }

  /** Undefined: it cannot be, and counts as a miss. */
  #decode(encoded: Uint8Array): Decoded<Value> | undefined {
    try {
      return this.#realm.copies.decode(encoded);
    } catch (error) {
      if (this.#realm.options.undecodable === "error") throw error;
      return undefined;
    }
  }
}

const asIs = <Value>(found: Found<Value>): Found<Value> => found;
const outcomeIn = <Value>({ outcome }: Found<Value>): Outcome<Value> => outcome;

function toReading<Value>(copy: Copy<Value>): Reading {
  return {
    key: copy.key,
    kind: copy.kind,
    asOf: { epoch: copy.epoch, shard: copy.shard, revision: copy.revision },
    readAtMs: copy.readAtMs,
    freshUntilMs: copy.freshUntilMs,
    version: copy.version,
    sourceVersion: copy.sourceVersion,
    tags: copy.tags,
    contentType: copy.contentType,
    encoded: copy.encoded,
  };
}
