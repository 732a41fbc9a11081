/**
 * Bugs to plant, one at a time, in copies of the real modules: each must be caught. The text to replace must
 * occur exactly once, so that a change of the code cannot disarm a mutant without anybody noticing.
 */

export interface Edit {
  readonly file: string;
  readonly find: string;
  readonly replace: string;
}

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  readonly edits: readonly [Edit, ...Edit[]];
  /** Caught by this directed test, where the simulation would need too many seeds to come upon it. */
  readonly test?: { readonly file: string; readonly name: string };
}

const mutant = (name: string, file: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ file, find, replace }],
});

const coherence = "src/client/coherence/coherence.ts";
const nearCache = "src/client/near-cache/near-cache.ts";
const shard = "src/store/engine/shard.ts";
const invalidations = "src/store/engine/invalidations.ts";
const leases = "src/store/leases/leases.ts";

export const mutants: readonly Mutant[] = [
  // ---- The client: fill rule, hit rule, gaps -----------------------------------------------------------------
  mutant(
    "client: a gap is not heeded",
    "src/client/mesh-cache.ts",
    "    this.#coherence.missedEvents();\n",
    "",
  ),
  mutant(
    "client: late fill, an answer older than an applied event is kept",
    coherence,
    "return !this.#shards[asOf.shard]?.mayMatchAfter(asOf.revision, namespace, key, tags);",
    "void [namespace, key, tags]; return true;",
  ),
  {
    name: "client: filled before Opened",
    edits: [
      {
        file: nearCache,
        find: "return this.#covered ? this.#coherence.coverage : NOT_COVERED;",
        replace: "void NOT_COVERED; return this.#coherence.coverage;",
      },
    ],
    test: {
      file: "test/coherence/fill-rule.test.ts",
      name: "scenario 8: keeps nothing that was asked for before the subscription was live",
    },
  },
  mutant(
    "client: an answer asked for before a gap is kept after it",
    coherence,
    "if (coverage === NOT_COVERED || coverage !== this.coverage) return false;",
    "if (coverage === NOT_COVERED) return false;",
  ),
  mutant(
    "client: an answer is compared with another shard's events",
    coherence,
    "return !this.#shards[asOf.shard]?.mayMatchAfter(",
    "return !this.#shards[0]?.mayMatchAfter(",
  ),
  mutant(
    "client: no age check in the hit rule",
    coherence,
    "? this.#lastAnsweredPingSentAtMs + this.#leaseMs",
    "? Number.POSITIVE_INFINITY * this.#leaseMs",
  ),
  mutant(
    "client: age counted from the receipt of the answer to a ping",
    coherence,
    "Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs)",
    "Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs, this.#clock.nowMs())",
  ),
  mutant(
    "client: served between a disconnect and the catch-up",
    coherence,
    "  fellBehind(): void {\n    this.#caughtUp = false;",
    "  fellBehind(): void {",
  ),
  mutant(
    "client: no TTL check in the hit rule",
    coherence,
    " && nowMs < copy.freshUntilMs;",
    " && copy.freshUntilMs !== Number.NEGATIVE_INFINITY;",
  ),
  mutant(
    "client: TTL aged from the receipt of the answer",
    "src/client/operations/reader.ts",
    "const reading = readGet(key, response, call.sentAtMs);",
    "const reading = readGet(key, response, this.#realm.clock.nowMs());",
  ),
  mutant(
    "client: a bound shorter than the lease is not heeded",
    coherence,
    "return nowMs - this.#lastAnsweredPingSentAtMs <= maxStalenessMs && this.mayServe(copy, nowMs);",
    "void maxStalenessMs; return this.mayServe(copy, nowMs);",
  ),

  // ---- The client: events and own writes -----------------------------------------------------------------------
  mutant(
    "client: events of a namespace are ignored",
    "src/client/near-cache/tag-index.ts",
    "        return copies;",
    "        return [];",
  ),
  mutant(
    "client: events of a prefix are ignored",
    "src/client/near-cache/tag-index.ts",
    "        return withPrefix(name);",
    "        return name === undefined ? withPrefix(name) : [];",
  ),
  mutant(
    "client: an event is applied to another shard's copies",
    nearCache,
    "yield* this.#shards[change.shard]?.matching(change.target, change.name) ?? [];",
    "yield* this.#shards[0]?.matching(change.target, change.name) ?? [];",
  ),
  mutant(
    "client: a Touch that shortens a TTL is ignored",
    nearCache,
    "if (touched) copy.generation = SUSPECT;",
    "void SUSPECT;\n      if (touched) continue;",
  ),
  mutant(
    "client: an own write drops no near copy",
    "src/client/operations/writer.ts",
    "for (const name of names) this.#realm.holders.forget(this.#realm.namespace, target, name);",
    "void [target, names];",
  ),
  mutant(
    "client: what was asked for before an ambiguous write is kept after it",
    "src/client/operations/writer.ts",
    "      this.#realm.coherence.writeGivenUp();\n",
    "",
  ),
  {
    name: "client: an ambiguous write leaves the near copy",
    edits: [
      {
        file: "src/client/operations/writer.ts",
        find: "    } catch (error) {\n      this.#forget(target, names);\n",
        replace: "    } catch (error) {\n",
      },
    ],
    test: {
      file: "test/coherence/own-writes.test.ts",
      name: "that nobody answered leaves nothing of its key, not even what was read beside it",
    },
  },
  mutant(
    "client: a resumed stream begins from now",
    "src/client/connection/exchange-stream.ts",
    "const cursor = this.#resumable ? this.cursor : NO_BYTES;",
    "const cursor = NO_BYTES;",
  ),
  mutant(
    "client: sync() does not wait for the events",
    "src/client/connection/connection.ts",
    "if (this.#primary !== undefined) this.#pingFor(once, this.#primary);",
    "if (this.#primary !== undefined) queueMicrotask(once);",
  ),
  mutant(
    "client: a Set is sent again to a store that cannot remember it",
    "src/client/connection/connection.ts",
    'call.plan.retry === "anyEpoch" || call.sentEpoch === stream.epoch',
    'call.plan.retry !== "never"',
  ),

  // ---- The client: loads -----------------------------------------------------------------------------------------
  mutant(
    "client: a load is stored with no lease",
    "src/client/operations/loader.ts",
    '"leaseToken" in condition ? condition.leaseToken : undefined,',
    "undefined,",
  ),
  mutant(
    "client: who asks after an invalidation shares a load from before it",
    "src/client/operations/singleflight.ts",
    'if (target === "key") this.#flights.delete(name);',
    'if (target === "key") return;',
  ),
  mutant(
    "client: a stale value is served as a fresh one",
    "src/client/messages/replies.ts",
    "if (entry.stale) return Number.NEGATIVE_INFINITY;",
    "if (entry.stale) return Number.POSITIVE_INFINITY;",
  ),

  // ---- The store ---------------------------------------------------------------------------------------------------
  mutant(
    "store: the epoch is used again",
    "src/store/engine/store-memory.ts",
    "epoch: rng.uint64(),",
    "epoch: rng.uint64() && 7n,",
  ),
  mutant(
    "store: a tag fence is forgotten",
    "src/store/fences/tag-fences.ts",
    '      if (version < this.#fences.number(fence, HARD_REVISION_CELL)) return "hard";\n',
    "",
  ),
  mutant(
    "store: a soft tag fence is forgotten",
    "src/store/fences/tag-fences.ts",
    '      if (version < this.#fences.number(fence, SOFT_REVISION_CELL)) cover = "soft";\n',
    "",
  ),
  mutant(
    "store: a prefix fence is forgotten",
    "src/store/fences/prefix-fences.ts",
    '      if (!fence.soft) return "hard";\n',
    "      if (!fence.soft) continue;\n",
  ),
  mutant(
    "store: prefix fences go before the sweep has passed",
    "src/store/engine/entries.ts",
    "      this.prefixFences.drop(sweep.revision);",
    "      this.prefixFences.drop(Number.MAX_SAFE_INTEGER);",
  ),
  mutant(
    "store: tag fences go while a lease needs them",
    "src/store/engine/entries.ts",
    "this.tagFences.drop(Math.min(sweep.revision, oldestLeaseRevision));",
    "this.tagFences.drop(oldestLeaseRevision && sweep.revision);",
  ),
  mutant(
    "store: a soft invalidation does nothing",
    invalidations,
    "    this.#entries.table.markStaled(found.entry);\n",
    "",
  ),
  mutant(
    "store: a lease is not voided by a tag",
    "src/store/engine/set-conditions.ts",
    "return revision !== undefined && !this.#tagFences.anySince(namespace, tags, revision);",
    "void tags; return revision !== undefined;",
  ),
  mutant(
    "store: a lease is not voided by an invalidation of its key",
    invalidations,
    "      this.#leases.void(namespace, key, nowMs);\n      this.#events.emit(",
    "      this.#events.emit(",
  ),
  mutant(
    "store: a lease is not voided by an invalidation of its prefix",
    invalidations,
    "    this.#leases.voidPrefix(namespace, name, nowMs);\n",
    "",
  ),
  mutant(
    "store: a released lease leaks",
    leases,
    '    this.#counters.count("leasesReleased");\n    this.#promote(lease, nowMs);\n',
    '    this.#counters.count("leasesReleased");\n    void nowMs;\n',
  ),
  mutant(
    "store: a crashed holder's lease never ends",
    leases,
    "    if (leftMs <= 0) {",
    "    if (leftMs <= -Infinity) {",
  ),
  mutant(
    "store: a lease outlives a plain Set",
    leases,
    "    records.remove(lease);\n",
    "    if (records.token(lease) === token) records.remove(lease);\n",
  ),
  mutant(
    "store: source versions are ignored",
    "src/store/engine/set-conditions.ts",
    "(sourceVersion !== 0n && sourceVersion < former.sourceVersion ?",
    "(sourceVersion !== 0n && sourceVersion < 0n ?",
  ),
  mutant(
    "store: tombstones are forgotten",
    "src/store/engine/tombstones.ts",
    "if (records.count === 0) return 0n;",
    "if (records.count >= 0) return 0n;",
  ),
  mutant(
    "store: request ids are forgotten",
    shard,
    "if (requestId === 0n) return",
    "if (requestId >= 0n) return",
  ),
  mutant(
    "store: an entry is still fresh at the end of its TTL",
    "src/store/engine/entries.ts",
    "nowMs < entry.freshUntilMs",
    "nowMs <= entry.freshUntilMs",
  ),
  mutant(
    "store: ifVersion holds after a soft invalidation",
    "src/store/engine/set-conditions.ts",
    'const isValid = state === "fresh" || state === "pastTtl";',
    'const isValid = state !== "dead";',
  ),
  mutant(
    "store: a resumed subscriber misses one event",
    "src/store/events/event-log.ts",
    "this.revisionAt(place) <= revision)",
    "this.revisionAt(place) <= revision + 1)",
  ),
  {
    name: "store: a subscriber that the log overran is not told",
    edits: [
      {
        file: "src/store/events/subscriber.ts",
        find: "    const from = this.#position;\n",
        replace:
          "    if (source.logs.some((log, shard) => this.#position.positionOf(shard) < log.start)) this.#position = this.#endOfLogs();\n    const from = this.#position;\n",
      },
      {
        file: "src/store/events/event-reader.ts",
        find: 'if (log.lostRevision > revision) return "overrun";',
        replace: 'if (log.lostRevision < 0) return "overrun";',
      },
    ],
  },
  {
    name: "store: a subscriber that shares a read sleeps through what has come since",
    edits: [
      {
        file: "src/store/events/subscriber.ts",
        find: "this.#unfinished = known.unfinished || known.to.isBehind(logs);",
        replace: "this.#unfinished = known.unfinished; void logs;",
      },
    ],
    test: {
      file: "test/store/events/subscriber.test.ts",
      name: "reads what another that stood there has read, and what has come since",
    },
  },

  // ---- Several places at once, or the server -------------------------------------------------------------------------
  {
    name: "both: a version of another epoch is revalidated",
    edits: [
      {
        file: nearCache,
        find: "return copy !== undefined && copy.version !== 0 && copy.epoch === this.#coherence.epoch\n",
        replace: "return copy !== undefined && copy.version !== 0\n",
      },
      {
        file: shard,
        find: "if (command.ifVersion === entry.version && this.#conditions.isEpoch(command.ifEpoch)) {",
        replace: "if (command.ifVersion === entry.version) {",
      },
    ],
  },
  mutant(
    "server: Progress overtakes events",
    "src/server/streams/exchange-session.ts",
    'const state = feed?.pump(sendFeed) ?? "caughtUp";',
    'const early = inbox[0]?.frame.case === "ping";\n    const state = early ? "caughtUp" : (feed?.pump(sendFeed) ?? "caughtUp");',
  ),
];
