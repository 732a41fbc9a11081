/** Bugs to plant, one at a time, in copies of the real modules: each must be caught. planting.ts finds their places. */
import type { Edit, LibraryEdit } from "./planting.ts";

export interface Mutant {
  /** What is wrong with it. */
  readonly name: string;
  readonly edits: readonly Edit[];
  /** In the function library of the shared tier. */
  readonly inLibrary?: LibraryEdit;
  /** The title of the test that catches it, where the simulation would need too many seeds to find it. */
  readonly test?: string;
  /** At least so many seeds are tried. Default: as many as of every other one. */
  readonly seeds?: number;
}

const mutant = (name: string, inFunction: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ inFunction, find, replace }],
});

export const mutants: readonly Mutant[] = [
  // ---- The client: fill rule, hit rule, gaps -----------------------------------------------------------------
  mutant("client: a gap is ignored", "MeshCache.#gap", "this.#coherence.missedEvents();", ""),
  mutant(
    "client: late fill, an answer older than an applied event is kept",
    "Coherence.mayFill",
    "!this.#shards[asOf.shard]?.mayMatchAfter(asOf.revision, namespace, key, tags)",
    "true",
  ),
  {
    name: "client: filled before Opened",
    edits: [
      {
        inFunction: "NearCache.coverage",
        find: "this.#isCovered ? coverage : NOT_COVERED",
        replace: "this.#coherence.coverage",
      },
    ],
    test: "scenario 8: keeps no answer to a request from before the subscription was live",
  },
  mutant(
    "client: an answer asked for before a gap is kept after it",
    "Coherence.mayFill",
    "if (coverage === NOT_COVERED || coverage !== this.coverage) return false;",
    "if (coverage === NOT_COVERED) return false;",
  ),
  mutant(
    "client: an answer is compared with another shard's events",
    "Coherence.mayFill",
    "this.#shards[asOf.shard]?.mayMatchAfter",
    "this.#shards[0]?.mayMatchAfter",
  ),
  mutant(
    "client: no age check in the hit rule",
    "Coherence.#updateServableUntil",
    "? this.#lastAnsweredPingSentAtMs + this.#leaseMs",
    "? Number.POSITIVE_INFINITY * this.#leaseMs",
  ),
  {
    ...mutant(
      "client: age counted from the receipt of the answer to a ping",
      "Coherence.pingAnswered",
      "Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs)",
      "Math.max(this.#lastAnsweredPingSentAtMs, sentAtMs, this.#clock.nowMs())",
    ),
    test: "scenario 15: the lease counts from when a ping was sent, however late its answer comes",
  },
  mutant(
    "client: served between a disconnect and the catch-up",
    "Coherence.fellBehind",
    "this.#caughtUp = false;",
    "",
  ),
  mutant(
    "client: no TTL check in the hit rule",
    "Coherence.mayServe",
    "nowMs < entry.freshUntilMs",
    "entry.freshUntilMs !== Number.NEGATIVE_INFINITY",
  ),
  mutant(
    "client: TTL aged from the receipt of the answer",
    "EntryReader.#read",
    "const reading = readGet(key, response, call.sentAtMs);",
    "const reading = readGet(key, response, this.#context.coherence.nowMs());",
  ),
  {
    ...mutant(
      "client: a bound shorter than the lease is ignored",
      "Coherence.mayServeWithin",
      "nowMs - this.#lastAnsweredPingSentAtMs <= maxStalenessMs &&",
      "",
    ),
    test: "serves within the shorter bound of a read",
  },

  // ---- Clocks that stop or jump (scenario 33) --------------------------------------------------------------------
  mutant(
    "client: hits read the monotonic clock, which stands still in suspension",
    "LeaseClock.nowMs",
    "return this.#clock.wallMs();",
    "return this.sentMs();",
  ),
  mutant(
    "client: the divergence of the clocks is seen, and the copies are not suspect",
    "Coherence.pulse",
    "this.missedEvents();",
    "",
  ),
  mutant(
    "client: only a wall clock that is ahead counts as divergence",
    "LeaseClock.pulse",
    "return mostMs < -driftMs ? mostMs : 0;",
    "return mostMs < -driftMs ? 0 : 0;",
  ),
  mutant(
    "client: a wall time from before the last pulse is trusted",
    "Coherence.mayServe",
    "nowMs >= this.#servableFromMs &&",
    "",
  ),
  {
    name: "client: a lease outlives the divergence of the clocks",
    edits: [
      {
        inFunction: "Coherence.pulse",
        find: "this.#lastAnsweredPingSentAtMs = Number.NEGATIVE_INFINITY;",
        replace: "",
      },
    ],
    test: "scenario 33: no lease from before a wall clock was set back outlives the pulse",
  },
  {
    name: "client: a ping from before the divergence renews the lease",
    edits: [
      {
        inFunction: "SentPings.forgetLeases",
        find: "ping.leaseFromMs = undefined;",
        replace: "void ping;",
      },
    ],
    test: "scenario 33: a ping from before a wall clock was set back renews no lease after it",
  },
  {
    name: "client: requests and pings are stamped by a wall clock that may be set",
    edits: [
      {
        inFunction: "LeaseClock.sentMs",
        find: "return this.#last.wallMs + this.#clock.nowMs() - this.#last.afterMs;",
        replace: "return this.#clock.wallMs();",
      },
    ],
    test: "scenario 33: forth and back between two pulses prolongs no TTL",
  },
  {
    name: "client: a load from before a suspension is shared as a recent one",
    edits: [
      {
        inFunction: "ageOf",
        find: "Math.max(clock.nowMs() - monotonicMs, clock.wallMs() - wallMs)",
        replace: "clock.nowMs() - monotonicMs + 0 * wallMs",
      },
    ],
    test: "scenario 33: shares no load from before a suspension longer than the lease",
  },
  mutant(
    "store: TTLs and leases stand still in suspension",
    "ShardClock.#compare",
    "if (divergedMs > 0 && !isFirst) cells.set(CELL.missedMs, cells.get(CELL.missedMs) + divergedMs);",
    "void isFirst;",
  ),
  mutant(
    "store: a wall clock that is set back prolongs TTLs and leases",
    "ShardClock.#compare",
    "if (divergedMs > 0 && !isFirst)",
    "if (!isFirst)",
  ),

  // ---- Two stores behind one address (scenario 37) ---------------------------------------------------------------
  mutant(
    "client: a store that is met again is taken for a new one",
    "StoreSightings.met",
    "return isBack && !hasDrained;",
    "return isBack && hasDrained;",
  ),
  mutant(
    "client: two stores are told, and the near caches stay on",
    "Coherence.twoStores",
    "this.#isOneStore = false;",
    "",
  ),
  mutant(
    "client: the near caches stay off when one store remains",
    "Coherence.oneStore",
    "this.#isOneStore = true;",
    "",
  ),
  {
    name: "client: only the store before the last is known",
    edits: [
      {
        inFunction: "StoreSightings.met",
        find: "if (!hasDrained) known.left.add(known.current);",
        replace: "known.left.clear(); if (!hasDrained) known.left.add(known.current);",
      },
    ],
    test: "scenario 37: three stores in turn are found too",
  },
  {
    name: "client: answers of two stores are counted together",
    edits: [{ inFunction: "StoreProbe.#answered", find: "asked.agreeing = 0;", replace: "" }],
    test: "scenario 37: near caches are on again when one store alone has answered, and not before",
  },
  {
    name: "client: a client stays with the store that is not reached any more",
    edits: [{ inFunction: "Connection.#oneStoreAt", find: "this.#goesAway();", replace: "" }],
    test: "scenario 37: moves to the store that remains when its own is not reached any more",
  },

  // ---- The client: events and own writes -----------------------------------------------------------------------
  mutant("client: events of a namespace are ignored", "isConcerned", "return true;", "return false;"),
  mutant(
    "client: events of a prefix are ignored",
    "isConcerned",
    "return key.startsWith(name);",
    "return false;",
  ),
  mutant(
    "client: an event is applied to the entries of another shard",
    "fewMatching",
    "entry.shard === shard",
    "entry.shard === 0",
  ),
  mutant(
    "client: a Touch that shortens a TTL is ignored",
    "NearCache.onEvent",
    "entry.generation = SUSPECT;",
    "continue;",
  ),
  mutant(
    "client: an own write removes no cached entry",
    "EntryWriter.#invalidateLocal",
    "for (const name of names) this.#context.invalidations.invalidate(this.#context.namespace, target, name);",
    "void [target, names];",
  ),
  mutant(
    "client: what was asked for before an ambiguous write is kept after it",
    "EntryWriter.#write",
    "this.#context.coherence.writeUnanswered();",
    "",
  ),
  {
    name: "client: an ambiguous write leaves the cached entry",
    edits: [
      {
        inFunction: "EntryWriter.#write",
        find: "catch (error) { this.#invalidateLocal(target, names);",
        replace: "catch (error) {",
      },
    ],
    test: "without an answer removes the entry of its key, also one that was read during the write",
  },
  {
    ...mutant(
      "client: a resumed stream begins from now",
      "StreamSubscription.subscribe",
      "const resumed = isFirst && isCursorTaken(cursor, limits) ? cursor : NO_BYTES;",
      "const resumed = NO_BYTES;",
    ),
    test: "misses no event of a real server",
  },
  mutant(
    "client: sync() does not wait for the events",
    "Barriers.add",
    "if (stream !== undefined) this.#ping(stream, once);",
    "if (stream !== undefined) queueMicrotask(once);",
  ),
  mutant(
    "client: a Set is sent again to a store that cannot remember it",
    "CallSender.#mayResend",
    'call.plan.retry === "anyEpoch" || call.sentEpoch === stream.epoch',
    'call.plan.retry !== "never"',
  ),
  {
    name: "client: a Set that a later life may have stored is sent to one that continues only the first",
    edits: [
      {
        inFunction: "Call.sending",
        find: "this.sentEpoch = epoch;",
        replace: "if (this.attempts === 0) this.sentEpoch = epoch;",
      },
    ],
    test: "is not the store of a Set that was also sent to a later life, which this one does not continue",
  },
  {
    name: "client: an unanswered call asks for no ping",
    edits: [
      { inFunction: "Heartbeat.callOverdue", find: "if (stream.awaitsPing) return;", replace: "return;" },
    ],
    test: "is found by an unanswered call where pings are rare",
  },
  {
    name: "client: a stream with an unanswered ping is looked at only with the next ping",
    edits: [
      {
        inFunction: "Heartbeat.#scheduleBeat",
        find: "Math.min(untilPulseMs, lookMs)",
        replace: "untilPulseMs",
      },
    ],
    test: "is found by an unanswered call where pings are rare",
  },

  // ---- The client: queued invalidations ------------------------------------------------------------------------
  mutant(
    "client: queued invalidations are sent behind what waits",
    "InvalidationQueue.#send",
    'this.#run(message, "first")',
    'this.#run(message, "last")',
  ),
  mutant(
    "client: a queued invalidation whose stream ends too is forgotten",
    "InvalidationQueue.#failed",
    "this.#backlog.add(namespace, names);",
    "void [namespace, names];",
  ),
  {
    name: "client: a queued invalidation that is under way on a replaced stream is left there",
    edits: [
      {
        inFunction: "InvalidationQueue.connected",
        find: "for (const { namespace, names } of this.#sent) this.#backlog.add(namespace, names); this.#sent.clear();",
        replace: "",
      },
    ],
    test: "scenario 34: takes effect by the next stream when its server drains",
  },
  mutant(
    "client: an invalidation whose caller has given up is not queued",
    "InvalidationQueue.#add",
    "this.#backlog.add(namespace, names);",
    "if (patience.deadlineAtMs > this.#deps.clock.nowMs()) this.#backlog.add(namespace, names);",
  ),
  mutant(
    "client: a queue that overflows is dropped",
    "QueuedNames.#clear",
    "this.#put(clear);",
    "void clear;",
  ),
  mutant(
    "client: a soft and a hard invalidation of one name are merged",
    "QueuedName.identity",
    'const strength = this.soft ? "soft" : "hard";',
    'const strength = this.soft ? "" : "";',
  ),
  mutant(
    "client: merged invalidations keep the first source version",
    "QueuedName.takeOver",
    "this.sourceVersion = other.sourceVersion;",
    "this.sourceVersion ||= other.sourceVersion;",
  ),

  // ---- The client: outages ---------------------------------------------------------------------------------------
  mutant(
    "client: outage copies are served after the reconnection",
    "Coherence.outageEnded",
    "this.#outage = 0;",
    "void this.#outage;",
  ),
  {
    ...mutant(
      "client: outage copies are served after a gap",
      "Coherence.#knownCurrentAtMs",
      "if (generation !== this.generation) return Number.NEGATIVE_INFINITY;",
      "",
    ),
    test: "scenario 35: is never served after a gap was seen",
  },
  mutant(
    "client: outage copies are served for ever",
    "Coherence.mayServeInOutage",
    "nowMs - this.#knownCurrentAtMs(copy) <= outageTtlMs",
    "this.#knownCurrentAtMs(copy) >= 0 && outageTtlMs > 0",
  ),
  mutant(
    "client: outage copies are not marked",
    "EntryReader.outageEntry",
    '"near", { outage: true }',
    '"near", {}',
  ),
  {
    ...mutant(
      "client: a load is kept in an outage though its key was invalidated since",
      "EntryLoader.#runOnce",
      "if (isCurrent()) this",
      "if (isCurrent() || begun.atMs > 0) this",
    ),
    test: "scenario 35: is not kept when this process has invalidated %s since it began",
  },
  mutant(
    "client: what was loaded in an outage is served after it",
    "NearCache.keepInOutage",
    "this.#coherence.outageGeneration",
    "this.#coherence.generation",
  ),

  {
    name: "client: a read that meets an outage fails although there is a copy",
    edits: [
      {
        inFunction: "EntryReader.#askUnlessOutage",
        find: "isOutage(error) ? this.outageCopy(key, options) : undefined",
        replace: "undefined",
      },
    ],
    test: "scenario 35: is served to who asked the server when nobody knew of the outage yet",
  },
  {
    name: "client: a draining server is kept waiting where no address leads to another one",
    edits: [
      {
        inFunction: "Connection.#afterFailure",
        find: "this.#serverDrains && this.#reconnection.isExhausted",
        replace: "this.#serverDrains && this.#reconnection.addresses.length === 1",
      },
    ],
    test: "leaves it once every address has failed",
  },

  // ---- The client: loads -----------------------------------------------------------------------------------------
  mutant(
    "client: a load is stored with no lease",
    "LoadKeeper.#set",
    '"leaseToken" in condition ? condition.leaseToken : undefined',
    "undefined",
  ),
  mutant(
    "client: a caller from after an invalidation shares a load from before it",
    "Singleflight.invalidate",
    'if (target === "key") flights.delete(name);',
    'if (target === "key") return;',
  ),
  {
    name: "client: a load from before its lease is stored by the lease",
    edits: [
      {
        inFunction: "EntryLoader.#fillLease",
        find: "if (!isJoined) {",
        replace: "if (load !== undefined) {",
      },
    ],
    test: "are one at a time when the new server grants a lease that the old one had granted",
  },
  mutant(
    "client: a stale value is served as a fresh one",
    "freshUntilMs",
    "if (entry.stale) return Number.NEGATIVE_INFINITY;",
    "if (entry.stale) return Number.POSITIVE_INFINITY;",
  ),

  // ---- The store ---------------------------------------------------------------------------------------------------
  mutant("store: the epoch is used again", "allocate", "epoch: rng.uint64(),", "epoch: rng.uint64() && 7n,"),
  mutant(
    "store: a tag fence is forgotten",
    "TagFences.cover",
    'if (version < this.#fences.number(fence, HARD_REVISION_CELL)) return "hard";',
    "",
  ),
  mutant(
    "store: a soft tag fence is forgotten",
    "TagFences.cover",
    'if (version < this.#fences.number(fence, SOFT_REVISION_CELL)) cover = "soft";',
    "",
  ),
  mutant(
    "store: a prefix fence is forgotten",
    "PrefixFences.cover",
    'if (!this.#slots.isSoft(slot)) return "hard";',
    "if (!this.#slots.isSoft(slot)) continue;",
  ),
  mutant(
    "store: prefix fences go before the sweep has passed",
    "Fences.drop",
    "this.#prefixes.drop(revision);",
    "this.#prefixes.drop(Number.MAX_SAFE_INTEGER);",
  ),
  mutant(
    "store: tag fences go while a lease needs them",
    "Fences.drop",
    "this.#entryTags.drop(Math.min(revision, oldestLeaseRevision));",
    "this.#entryTags.drop(oldestLeaseRevision && revision);",
  ),
  mutant(
    "store: a tag that only a lease may need gets no fence",
    "Fences.raiseTag",
    "this.#leaseTags.raise(record, namespace, tag, soft, revision, nowMs);",
    "",
  ),
  mutant(
    "store: a clear of a namespace is forgotten",
    "coverOfClears",
    'if (version < namespaces.get(record, CELL.hardClearRevision)) return "hard";',
    "",
  ),
  mutant(
    "store: a clear goes before the sweep has passed",
    "NamespaceTable.#forgetFencesOf",
    "if (this.get(record, cell) <= revision) this.set(record, cell, 0);",
    "if (revision >= 0) this.set(record, cell, 0);",
  ),
  {
    name: "store: a pruned tag fence leaves no floor",
    edits: [
      {
        inFunction: "TagFences.#makeRoom",
        find: "this.#raiseFloor(payer, hard, soft, nowMs);",
        replace: "void [hard, soft, nowMs];",
      },
    ],
    test: "cover what is older until it is swept, whatever else overflows meanwhile",
  },
  mutant(
    "store: a soft invalidation does nothing",
    "Invalidations.#stale",
    "entries.table.markStaled(found.entry);",
    "",
  ),
  mutant(
    "store: a lease is not voided by a tag",
    "SetConditions.#isLeaseGood",
    "&& !this.#fences.anyTagSince(record, namespace, tags, revision)",
    "",
  ),
  mutant(
    "store: a lease is not voided by an invalidation of its key",
    "Invalidations.keys",
    "leases.void(namespace, key.key, nowMs);",
    "",
  ),
  mutant(
    "store: a lease is not voided by an invalidation of its prefix",
    "Invalidations.prefix",
    "leases.voidPrefix(namespace, name, nowMs);",
    "",
  ),
  mutant(
    "store: a released lease leaks",
    "Leases.release",
    "this.#grants.promote(lease, nowMs);",
    "void nowMs;",
  ),
  {
    name: "store: a slow holder's lease never ends",
    edits: [
      {
        inFunction: "LeaseEnds.advance",
        find: "left > 0 && due.nextDueMs() <= nowMs;",
        replace: "left > 0 && due.nextDueMs() <= -1;",
      },
      {
        inFunction: "LeaseEnds.#endOf",
        find: "if (records.expiresAtMs(lease) <= nowMs)",
        replace: "if (records.expiresAtMs(lease) <= -1)",
      },
    ],
  },
  mutant(
    "store: the leases of a holder outlive it",
    "ShardedStore.closeHolder",
    "this.#mutateEach(this.#shards, (shard, nowMs) => shard.endHolder(holder.id, nowMs));",
    "",
  ),
  mutant(
    "server: the leases of a stream outlive it",
    "Session.close",
    "if (this.#holder !== undefined) this.#deps.store.closeHolder(this.#holder);",
    "",
  ),
  {
    name: "client: the next stream does not take over the leases of the one that it replaces",
    edits: [
      {
        inFunction: "StreamHandover.#predecessorToken",
        find: "return predecessor?.token ?? 0n;",
        replace: "return (predecessor?.token ?? 0n) & 0n;",
      },
    ],
    test: "scenario 36: moves with its client to the stream that replaces the one of a draining server",
  },
  {
    name: "store: a lease that an invalidation by prefix has not been compared with is good",
    edits: [
      {
        inFunction: "LeaseEnds.#endOf",
        find: 'return this.#isVoid(lease) ? "leasesLost" : undefined;',
        replace: "return undefined;",
      },
    ],
    test: "visits few of them, and voids all that it covers",
  },
  mutant(
    "store: the end of a replaced stream ends the leases that the next one took over",
    "HolderList.close",
    "return streams <= 0;",
    "return true;",
  ),
  mutant(
    "store: a lease outlives a plain Set",
    "Leases.fill",
    "records.remove(lease);",
    "if (records.token(lease) === token) records.remove(lease);",
  ),
  mutant(
    "store: source versions are ignored",
    "SetConditions.refusal",
    "(sourceVersion !== 0n && sourceVersion < former.sourceVersion ?",
    "(sourceVersion !== 0n && sourceVersion < 0n ?",
  ),
  mutant(
    "store: tombstones are forgotten",
    "Tombstones.known",
    "if (records.count === 0) return 0n;",
    "if (records.count >= 0) return 0n;",
  ),
  mutant(
    "store: request ids are forgotten",
    "Shard.set",
    "if (command.requestId === 0n) return",
    "if (command.requestId >= 0n) return",
  ),
  mutant(
    "store: request ids of Increments are forgotten",
    "Shard.increment",
    "if (command.requestId === 0n) return",
    "if (command.requestId >= 0n) return",
  ),
  mutant(
    "store: an Increment adds to a counter that is stale",
    "Increments.run",
    'found?.state === "fresh" ? found.entry : undefined',
    "found?.entry",
  ),
  mutant(
    "store: an Increment gives its counter a new TTL",
    "toEntry",
    "const freshUntilMs = fresh?.freshUntilMs ?? endOf(nowMs, command.ttlMs);",
    "const freshUntilMs = endOf(nowMs, command.ttlMs);",
  ),
  {
    name: "store: a retried Increment is answered with the counter of now",
    edits: [
      {
        inFunction: "INCREMENT_ANSWERS.again",
        find: 'return { kind: "incremented", asOf, value, version,',
        replace: 'return { kind: "incremented", asOf, value: value + 1n, version,',
      },
    ],
  },
  mutant(
    "client: an Increment is sent again to a store that cannot remember it",
    "EntryWriter.increment",
    'new FrequentRequest("Increment", namespace, operation, "sameEpoch",',
    'new FrequentRequest("Increment", namespace, operation, "anyEpoch",',
  ),
  mutant(
    "store: a listing misses an entry that is put again meanwhile",
    "LruTable.put",
    "if (formerSlot !== undefined) this.#exchange(kept, formerSlot);",
    "",
  ),
  mutant(
    "store: a listing shows what a fence has ended",
    "toKeyView",
    'if (state === "dead") return undefined;',
    "",
  ),
  mutant(
    "store: a listing shows what is stale as fresh",
    "toKeyView",
    "{ entry, state }",
    '{ entry, state: "fresh" }',
  ),
  mutant(
    "store: a listing leaves out the rest of a shard behind a full page",
    "listPage",
    "if (position === 0) shard += 1;",
    "if (position === 0 || keys.length >= maxKeys) { position = 0; shard += 1; }",
  ),
  mutant("client: a listing ends with its first page", "listKeys", "page.nextPageToken.slice()", "NO_BYTES"),
  mutant(
    "store: an entry is still fresh at the end of its TTL",
    "ShardEntries.#stateOf",
    "nowMs < entry.freshUntilMs",
    "nowMs <= entry.freshUntilMs",
  ),
  mutant(
    "store: ifVersion holds after a soft invalidation",
    "SetConditions.#isVersion",
    'const isValid = state === "fresh" || state === "pastTtl";',
    'const isValid = state !== "dead";',
  ),
  mutant(
    "store: a resumed subscriber misses one event",
    "EventLog.placeAfter",
    "this.revisionAt(place) <= revision)",
    "this.revisionAt(place) <= revision + 1)",
  ),
  {
    name: "store: a subscriber that the log overran is not told",
    edits: [
      {
        inFunction: "LogSubscriber.#readEvents",
        find: "const from = this.#position;",
        replace:
          "if (source.logs.some((log, shard) => this.#position.positionOf(shard) < log.start)) this.#position = this.#endOfLogs(); const from = this.#position;",
      },
      {
        inFunction: "readHeld",
        find: 'if (log.lostRevision > revision) return "overrun";',
        replace: 'if (log.lostRevision < 0) return "overrun";',
      },
    ],
  },
  {
    name: "store: a subscriber that shares a read misses the events since then",
    edits: [
      {
        inFunction: "LogSubscriber.read",
        find: "this.#unfinished = known.unfinished || known.to.isBehind(logs);",
        replace: "this.#unfinished = known.unfinished; void logs;",
      },
    ],
    test: "reads what another that stood there has read, and what has come since",
  },

  // ---- Clean restarts --------------------------------------------------------------------------------------------------
  mutant(
    "snapshot: the epoch is kept across a load",
    "allocate",
    "epoch: rng.uint64(),",
    "epoch: inheritance?.predecessors[0]?.epoch ?? rng.uint64(),",
  ),
  {
    name: "snapshot: the end revisions are one too low",
    edits: [
      {
        inFunction: "load",
        find: "{ epoch: head.epoch, endRevisions: head.revisions },",
        replace: "{ epoch: head.epoch, endRevisions: head.revisions.map((revision) => revision - 1) },",
      },
    ],
    test: "scenario 38: a clean restart leaves all copies as they are, without a gap and without a question",
  },
  {
    name: "snapshot: the end revisions are one too high",
    edits: [
      {
        inFunction: "load",
        find: "{ epoch: head.epoch, endRevisions: head.revisions },",
        replace: "{ epoch: head.epoch, endRevisions: head.revisions.map((revision) => revision + 1) },",
      },
    ],
    test: "is a gap for who knows more of the old life than it wrote down",
  },
  mutant(
    "snapshot: lifetimes are not aged",
    "ShardClock.resume",
    "const nowMs = this.nowMs + passedMs;",
    "const nowMs = this.nowMs + 0 * passedMs;",
  ),
  {
    name: "snapshot: leases live after a load",
    edits: [
      {
        inFunction: "Shard.parts",
        find: '{ bound: "logMaxBytes", parts: this.log.parts() }',
        replace:
          '{ bound: "logMaxBytes", parts: this.log.parts() }, { bound: "leasesMax", parts: [Reflect.get(this, "leaseMemory")] }',
      },
      {
        inFunction: "Shard.constructor",
        find: "this.#leases = new Leases({",
        replace:
          'Reflect.set(this, "leaseMemory", { region: regions.leases, count: regions.leases.bytes, elementBytes: 1, isFixed: true }); this.#leases = new Leases({',
      },
    ],
  },
  {
    name: "snapshot: the tail of the log is lost",
    edits: [
      {
        inFunction: "EventLog.trim",
        find: "this.end - this.start > this.#maxEvents",
        replace: "this.end > this.start",
      },
    ],
    test: "delivers the events that the client had not received, and those that come after it",
  },
  mutant("snapshot: a copy is trusted that was used before", "load", "checkUse(head, used);", ""),
  {
    name: "both: a life that forked from a copy of a snapshot is trusted",
    edits: [
      {
        inFunction: "Lineage.hasAll",
        find: "if (epoch === this.epoch) return true;",
        replace: "if (epoch === this.epoch || this.predecessors.length > 0) return revisions.length > 0;",
      },
      {
        inFunction: "Coherence.epochSeen",
        find: "predecessors.some((ended) => ended.epoch === this.epoch)",
        replace: "predecessors.length > 0",
      },
      {
        inFunction: "NearCache.continueIn",
        find: "if (entry.revision <= (ended?.endRevisions[entry.shard] ?? -1)) entry.epoch = epoch;",
        replace: "if (ended !== undefined || predecessors.length > 0) entry.epoch = epoch;",
      },
    ],
  },
  {
    name: "both: a life is known by its revisions alone, so that the file of another server is trusted",
    edits: [
      {
        inFunction: "Lineage.#endsOf",
        find: "predecessor.epoch === epoch",
        replace: "epoch !== 0n && predecessor.endRevisions.length > 0",
      },
      {
        inFunction: "Coherence.epochSeen",
        find: "predecessors.some((ended) => ended.epoch === this.epoch)",
        replace: "predecessors.length > 0",
      },
      {
        inFunction: "NearCache.continueIn",
        find: "predecessor.epoch === entry.epoch",
        replace: "predecessor.endRevisions.length > 0",
      },
    ],
  },
  {
    name: "client: a copy that is newer than the end of its epoch is adopted",
    edits: [
      {
        inFunction: "NearCache.continueIn",
        find: "if (entry.revision <= (ended?.endRevisions[entry.shard] ?? -1)) entry.epoch = epoch;",
        replace: "if (ended !== undefined) entry.epoch = epoch;",
      },
    ],
    test: "trusts no copy that is newer than what the old life wrote down",
  },
  mutant(
    "snapshot: a damaged block is taken",
    "BlockReader.#next",
    "if (crc !== this.#block.readUInt32LE(bytes))",
    "if (crc === this.#block.readUInt32LE(bytes) + 0.5)",
  ),
  {
    name: "snapshot: a truncated file is taken for as far as it goes",
    edits: [
      {
        inFunction: "load",
        find: 'if (source.bytes !== read.bytes + blocksBytes(payload)) throw damaged("it has not the length that its head says");',
        replace: "",
      },
      {
        inFunction: "load",
        find: "source.read(into, at);",
        replace: "source.read(into.subarray(0, Math.max(0, source.bytes - at)), at);",
      },
      {
        inFunction: "BlockReader.#next",
        find: "if (crc !== this.#block.readUInt32LE(bytes))",
        replace: "if (crc === this.#block.readUInt32LE(bytes) + 0.5)",
      },
    ],
  },
  mutant(
    "snapshot: the file of another version is taken",
    "readHead",
    "if (version < OLDEST_READ || version > FORMAT_VERSION) {",
    "if (version > 1_000) {",
  ),
  mutant(
    "snapshot: entries are not moved to their places in a budget of another size",
    "StoreImage.resume",
    "moveTable(table, budgetBytes, formerBudgetBytes);",
    "void formerBudgetBytes;",
  ),
  mutant(
    "snapshot: a file that has room is refused after a change of settings",
    "fillPart",
    "if (bytes > region.bytes && !isLeftOut)",
    "if (bytes > 0 && size.count * elementBytes !== region.bytes && !isLeftOut)",
  ),

  // ---- Several places at once, or the server -------------------------------------------------------------------------
  {
    name: "both: a version of another epoch is revalidated",
    edits: [
      {
        inFunction: "NearCache.revalidatable",
        find: "&& entry.epoch === this.#coherence.epoch",
        replace: "",
      },
      {
        inFunction: "Shard.get",
        find: "if (command.ifVersion === entry.version && this.#conditions.isEpochOf(entry.version, command.ifEpoch)) {",
        replace: "if (command.ifVersion === entry.version) {",
      },
    ],
    test: "scenario 12: an entry of an old epoch is not revalidated, even when the version is the same number",
  },
  mutant(
    "server: Progress overtakes events",
    "Session.#step",
    "const state = this.#subscription.sendPending(this.#sendFeedFrame);",
    'const early = this.#inbox[0]?.frame.case === "ping"; const state = early ? "caughtUp" : this.#subscription.sendPending(this.#sendFeedFrame);',
  ),

  // ---- The client: namespaces that come and go -----------------------------------------------------------------
  {
    name: "client: copies are served whose events the first subscription of a stream left out",
    edits: [
      {
        inFunction: "Subscriptions.promoted",
        find: "if (stream.firstPlan !== plan || plan.leftOut.length > 0) this.#uncover(stream);",
        replace: "",
      },
    ],
    test: "drops its copies: the events between them and its subscription may be missing",
  },
  {
    ...mutant(
      "client: a namespace counts as covered by the selector of another one that begins like it",
      "SelectorCover.covers",
      "return this.#namespacePrefixes.some((prefix) => namespace.startsWith(prefix));",
      "return this.#namespacePrefixes.length > 0;",
    ),
    test: "get one more selector for one that they do not cover, as long as there is one",
  },
  mutant(
    "server: a selector with a prefix of names selects the namespace of that name alone",
    "matches",
    "if (selector.namespaceIsPrefix) return event.namespace.startsWith(selector.namespace);",
    "",
  ),
];
