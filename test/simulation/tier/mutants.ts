/** Bugs of the shared tier to plant, one at a time: in the servers' part of it, and in its function library. */
import type { Mutant } from "../mutants.ts";
import type { LibraryEdit } from "../planting.ts";

const inServer = (name: string, inFunction: string, find: string, replace: string): Mutant => ({
  name,
  edits: [{ inFunction, find, replace }],
});

const inLibrary = (name: string, inPart: LibraryEdit["inPart"], find: string, replace: string): Mutant => ({
  name,
  edits: [],
  inLibrary: { inPart, find, replace },
});

export const tierMutants: readonly Mutant[] = [
  // ---- The library ---------------------------------------------------------------------------------------------
  inLibrary(
    "library: no tenure check",
    "head",
    "if s.lost or s.bytes ~= bytes then return nil end",
    "if s.lost then return nil end",
  ),
  inLibrary(
    "library: whoever has no memory of a shard takes it over",
    "head",
    "if not s and found.owner ~= replication_id() then return nil end",
    "",
  ),
  inLibrary("library: no pause fence", "pause", "pause.suspect = true", "pause.suspect = false"),
  inLibrary("library: entries outlive a claim", "head", "s.base = s.revision", "s.base = 0"),
  inLibrary(
    "library: a claim keeps the epoch",
    "head",
    "s.epoch, s.owner, s.layout = epoch,",
    "s.epoch, s.owner, s.layout = former and former.epoch or epoch,",
  ),
  inLibrary("library: a claim leaves the stream", "head", "call('UNLINK', s.stream)", ""),
  inLibrary(
    "library: what is written is not published",
    "head",
    "call('SPUBLISH', s.stream, payload .. concat(s.ended))",
    "",
  ),
  inLibrary(
    "library: request ids are not remembered",
    "buckets",
    "bucket_write(s, 'q', field, pack('>I6', s.now) .. answer)",
    "",
  ),
  {
    ...inLibrary(
      "library: a retry of before a claim runs",
      "operations",
      "return epoch == NONE or epoch == s.epoch",
      "return true",
    ),
    test: "a write that is sent again takes no second effect in the next life of its shard",
  },
  inLibrary(
    "library: an engine without memory refuses invalidations",
    "functions",
    "callback = function(keys, args) return run(keys, args, FREES) end,\n  flags = { 'allow-oom' },",
    "callback = function(keys, args) return run(keys, args, FREES) end,",
  ),
  // ---- The feed ------------------------------------------------------------------------------------------------
  {
    ...inServer(
      "feed: a gap is ignored",
      "ShardLine.#take",
      'mirror.apply(this.shard, record) === "gap"',
      "!mirror.apply(this.shard, record)",
    ),
    test: "tells of an event whose push was lost as soon as the next one shows that",
  },
  {
    ...inServer(
      "feed: a record after a gap is applied",
      "Mirror.apply",
      'if (epoch !== mirrored.epoch || revision > mirrored.revision + 1) return "gap";',
      'if (epoch !== mirrored.epoch) return "gap";',
    ),
    seeds: 100,
  },
  {
    ...inServer(
      "feed: what was missed is not read from the stream",
      "ShardLine.#catchUp",
      "for (const record of records) this.#take(record, link);",
      "mirror.moveTo(this.shard, head.epoch, head.revision);",
    ),
    test: "tells without a gap of what was written while its connection was gone",
  },
  {
    ...inServer(
      "feed: trimmed records are no loss",
      "ShardLine.#catchUp",
      "if (!isNext) mirror.moveTo(this.shard, first.epoch, first.revision - 1);",
      "if (!isNext) { mirror.moveTo(this.shard, first.epoch, mirror.revisionOf(this.shard)); }",
    ),
    seeds: 1_100,
  },
  {
    ...inServer(
      "feed: a push that was lost is waited for",
      "ShardLine.expire",
      "if (this.#link !== undefined && this.#watch.isStill(nowMs)) this.#resync(this.#link);",
      "",
    ),
    seeds: 200,
  },
  inServer("feed: a new epoch is not announced", "ShardGroup.#announce", "this.mirror.announce();", ""),
  {
    ...inServer(
      "feed: the epoch of the tier is not computed again",
      "Mirror.announce",
      "const epoch = hashOf(epochs);",
      "const epoch = this.epoch || hashOf(epochs);",
    ),
    seeds: 100,
  },
  {
    ...inServer(
      "feed: the events of an epoch are put behind those of the one before",
      "MirroredShard.announce",
      "if (this.nextLog !== undefined) {",
      "if (this.nextLog === null) {",
    ),
    seeds: 100,
  },
  // ---- Answers -------------------------------------------------------------------------------------------------
  {
    ...inServer(
      "answers: not held until their events can be read",
      "Mirror.whenReached",
      "if (mirrored.hasReached(held)) run(true);",
      "if (mirrored.hasReached(held) || !mirrored.isOver(held)) run(true);",
    ),
    seeds: 250,
  },
  inServer(
    "answers: a mutation needs no majority",
    "ShardOperations.#answer",
    "if (isRead) settle();",
    "if (isRead || call.length > 0) settle();",
  ),
  {
    ...inServer(
      "answers: a majority is asked for the epoch alone",
      "askMajority",
      "ballot.count(info?.isOk && named.has(nodeId) ? info.epoch : undefined);",
      "ballot.count(info?.isOk ? info.epoch : undefined);",
    ),
    test: "has nothing acknowledged of what it runs once they know",
  },
  {
    ...inServer(
      "answers: a shard has begun again since it was asked",
      "TierStore.#invalidateShards",
      "return now.epoch === epoch ? asOf : { shard, revision: now.revision };",
      "return now.epoch !== 0n || epoch !== 0n ? asOf : { shard, revision: now.revision };",
    ),
    test: "an invalidation is as of the epoch in which it is answered, in each of its shards",
  },
  // ---- The barrier ---------------------------------------------------------------------------------------------
  {
    ...inServer(
      "barrier: skipped",
      "TierStore.barrier",
      "return this.#group.barrier.ask(settle);",
      "queueMicrotask(() => settle(undefined)); return { cancel() {} };",
    ),
    test: "leaves no copy of what was overwritten while the server hears nothing of the node",
  },
  {
    ...inServer(
      "barrier: a cursor is judged by the mirror",
      "Barrier.#prove",
      "for (const line of lines) line.add(tenureCheck(dueMs, answered));",
      "for (const _line of lines) answered(undefined);",
    ),
    test: "leaves no copy of what was overwritten while the server hears nothing of the node",
  },
  {
    ...inServer(
      "barrier: no majority is asked",
      "Barrier.#agree",
      "({ link, epoch }) => link !== undefined && epochs.get(link.node.id) === epoch",
      '({ link, epoch }) => link !== undefined || epochs.get("") === epoch',
    ),
    test: "is not passed by a node in whose place another one was elected, though it does not know that yet",
  },
  {
    ...inServer(
      "barrier: who asks later shares the proof that is under way",
      "Barrier.#begin",
      "this.#tell(askers, error);",
      "this.#tell([...askers, ...this.#take()], error);",
    ),
    test: "answers who asks while another one is being passed by the next one",
  },
  // ---- Nodes ---------------------------------------------------------------------------------------------------
  {
    ...inServer(
      "nodes: verified without a majority",
      "Cluster.#confirm",
      "if (isSeen && agreeing.all > voters.length / 2) return view.info.epoch;",
      "if (isSeen || agreeing.all > 0) return view.info.epoch;",
    ),
    test: "reads nothing of it, though the node takes itself for a primary",
  },
  {
    ...inServer(
      "nodes: its own word counts as that of any other",
      "Cluster.#confirm",
      "const isSeen = !mayElect || agreeing.others >= voters.length / 2;",
      "const isSeen = mayElect || agreeing.others >= voters.length / 2;",
    ),
    test: "waits for the others while one of three is silent",
  },
  {
    ...inServer(
      "nodes: one that was still is read from as before",
      "NodeLink.#withoutPause",
      "return sinceMs >= 0 && sinceMs <= PAUSE_MAX_MS ? nowMs : undefined;",
      "return nowMs;",
    ),
    test: "is relied on for as long after its last beat as the library would",
  },
  {
    ...inServer(
      "nodes: no other is looked for while one is not confirmed",
      "Cluster.#confirm",
      "this.refresh();",
      "",
    ),
    test: "goes on with the elected one as soon as no majority confirms the other",
  },
  {
    ...inServer(
      "leases: an abandoned one is not given back",
      "TierStore.closeHolder",
      "this.#leases.abandon(this.#holders.close(holder));",
      "this.#holders.close(holder);",
    ),
    test: "a lease whose holder has ended goes at once to who waits at another server",
  },
  {
    ...inServer(
      "leases: who comes later shares what was asked for before",
      "Leases.#settleAll",
      "for (const waiter of queue.waiters.filter(({ cameAfter }) => cameAfter < ask)) {",
      "for (const waiter of queue.waiters.filter(({ cameAfter }) => cameAfter <= ask)) {",
    ),
    test: "who asks for a lease is answered no value that was overwritten before",
  },
  {
    ...inServer(
      "leases: a wait ends with what was answered in another epoch",
      "Leases.#endDue",
      "const held = queue.lastHeld?.epoch === this.#deps.epoch() ? queue.lastHeld : undefined;",
      "const held = queue.lastHeld;",
    ),
    test: "a wait that ends after the shard has begun again is answered as of its new life",
  },
];
