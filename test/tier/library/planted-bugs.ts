/** Bugs that the library might have had. Each is found by a scenario, or by random commands beside the embedded shard. */
import type { LibraryPart } from "../../../src/tier/library/source.ts";

export interface PlantedBug {
  readonly part: LibraryPart;
  readonly from: string;
  readonly to: string;
  /** The scenario that fails; undefined: random commands find a difference. */
  readonly foundBy?: string;
}

export const plantedBugs: Readonly<Record<string, PlantedBug>> = {
  "no tenure check": {
    part: "head",
    from: "if s.lost or s.bytes ~= bytes then return nil end",
    to: "if s.lost then return nil end",
    foundBy:
      "ends when the head is one of before, and a claim makes all older entries dead and reuses no revision",
  },
  "a missing head is taken for one's own": {
    part: "head",
    from: "if s.lost or s.bytes ~= bytes then return nil end",
    to: "if s.lost or (bytes and s.bytes ~= bytes) then return nil end",
    foundBy: "ends when the data is gone",
  },
  "whoever loads the library takes over every shard": {
    part: "head",
    from: "if not s and found.owner ~= replication_id() then return nil end",
    to: "",
    foundBy: "does not go on after a reload when another node wrote the head",
  },
  "no pause fence": {
    part: "pause",
    from: "pause.suspect = true",
    to: "pause.suspect = false",
    foundBy: "suspects a process that ran nothing for longer than the limit, until it is verified again",
  },
  "a clock that goes back is no pause": {
    part: "pause",
    from: " or now < last",
    to: "",
    foundBy: "do not come back when the engine's clock goes back",
  },
  "a process is trusted when it has loaded the library": {
    part: "pause",
    from: "{ suspect = true,",
    to: "{ suspect = false,",
    foundBy: "goes on with the same process when the library is loaded again, once the node is verified",
  },
  "any verification will do": {
    part: "pause",
    from: "if tonumber(number) == pause.number then",
    to: "if true then",
    foundBy: "takes no verification from before the latest pause",
  },
  "a suspect claims": {
    part: "head",
    from: "  if pause.suspect then return suspect_error() end\n  local bytes",
    to: "  local bytes",
    foundBy: "suspects a process that ran nothing for longer than the limit, until it is verified again",
  },
  "a claim whatever the head is": {
    part: "head",
    from: "if bytes ~= expected or tenant(head_key, bytes)",
    to: "if tenant(head_key, bytes)",
    foundBy: "is not claimed by who saw another head than there is",
  },
  "a claim of one's own shard": {
    part: "head",
    from: "if bytes ~= expected or tenant(head_key, bytes)",
    to: "if bytes ~= expected",
    foundBy: "is by the first claim, and no second server claims the same shard again",
  },
  "a claim reuses revisions": {
    part: "head",
    from: "s.revision = s.revision + CLAIM_STEP",
    to: "s.revision = s.revision + 1",
    foundBy:
      "ends when the head is one of before, and a claim makes all older entries dead and reuses no revision",
  },
  "a claim without a head begins at nothing": {
    part: "head",
    from: "{ revision = now * REVISIONS_PER_MS,",
    to: "{ revision = 0,",
    foundBy: "ends when the head alone is gone, and what it leaves is older than all that comes",
  },
  "a claim keeps the older entries": {
    part: "head",
    from: "s.base = s.revision",
    to: "s.base = 0",
    foundBy:
      "ends when the head is one of before, and a claim makes all older entries dead and reuses no revision",
  },
  "a claim keeps the records of before": {
    part: "head",
    from: "call('UNLINK', s.stream)",
    to: "",
    foundBy: "are of a claim, and then of the new epoch",
  },
  "a claim is not told": {
    part: "head",
    from: "'-1', 'e', payload)\n  call('SPUBLISH', s.stream, payload)\n  local root",
    to: "'-1', 'e', payload)\n  local root",
    foundBy: "are of a claim, and then of the new epoch",
  },
  "any layout will do": {
    part: "head",
    from: "if sub(header, 1, 4) ~= s.layout then",
    to: "if false then",
    foundBy: "is of one layout",
  },
  "fences that are lost are not missed": {
    part: "namespaces",
    from: "call('EXISTS', s.root .. 'n') == 0 then lose(s) end",
    to: "false then lose(s) end",
    foundBy: "ends when a part that the shard must have is gone",
  },
  "a shard that lost a part goes on": {
    part: "head",
    from: "s.lost = true",
    to: "s.lost = s.lost",
    foundBy: "ends when a part that the shard must have is gone",
  },
  "time goes back": {
    part: "head",
    from: "s.now = now > s.time and now or s.time",
    to: "s.now = now",
    foundBy: "do not come back when the engine's clock goes back",
  },
  "mutations are not published": {
    part: "head",
    from: "call('SPUBLISH', s.stream, payload .. concat(s.ended))",
    to: "",
    foundBy: "are published as they are in the stream",
  },
  "records are never dropped": {
    part: "head",
    from: "'MAXLEN', '~', s.stream_max, ",
    to: "",
    foundBy: "are trimmed, and those that are left have no hole",
  },
  "the end of a lease is not told": {
    part: "operations",
    from: "if lease and end_lease(s, op.name) then tell_lease_ended(s, op) end",
    to: "if lease then end_lease(s, op.name) end",
    foundBy: "say that a lease has ended where no event does, and only on the channel",
  },
  "a lease outlives a Set that is refused": {
    part: "operations",
    from: "if lease and end_lease(s, op.name) then tell_lease_ended(s, op) end",
    to: "",
  },
  "a lease knows nothing of tags": {
    part: "operations",
    from: "tags_of_set(op, c), lease.issued",
    to: "NO_TAGS, lease.issued",
  },
  "a lease outlives the clear of its prefix": {
    part: "leases",
    from: " or is_fenced_since(s, op.namespace, op.key, NO_TAGS, issued)",
    to: "",
  },
  "a lease never expires": { part: "leases", from: "s.now >= expires or", to: "" },
  "a Set leaves another's lease alone": {
    part: "operations",
    from: "put_entry(s, op, former, new)\n  end_lease(s, op.name)",
    to: "put_entry(s, op, former, new)",
  },
  "an invalidation leaves leases alone": { part: "invalidations", from: "end_lease(s, one.name)", to: "" },
  "request ids are forgotten": { part: "buckets", from: "if id == NONE then", to: "if true then" },
  "request ids are kept for ever": {
    part: "buckets",
    from: "if kept and s.now < parse('>I6', kept) + KEEP_MS then",
    to: "if kept then",
  },
  "request ids of the minute before are not looked for": {
    part: "buckets",
    from: "b.has_other = b.minute == minute - 1 and b.count > 0",
    to: "b.has_other = false",
  },
  "the same id of another operation is taken for this one": {
    part: "buckets",
    from: "local field = kind .. id .. name",
    to: "local field = id .. name",
  },
  "an invalidation is not remembered by its source version": {
    part: "invalidations",
    from: "add_tombstone(s, op.name, source, s.now)",
    to: "",
  },
  "the source version of a gone entry is forgotten": {
    part: "operations",
    from: "if e and (state ~= GONE or s.now < e.ended_at + KEEP_MS)",
    to: "if e and state ~= GONE",
    foundBy: "are remembered by their source version for a minute after their end",
  },
  "an entry goes with its source version": {
    part: "entries",
    from: "if source ~= NONE then ends_at = ends_at + KEEP_MS end",
    to: "",
    foundBy: "expire in the engine when they are gone, and a minute later with a source version",
  },
  "the engine may not evict what never ends": {
    part: "entries",
    from: "local ends_at = gone_at == 0 and s.now + ENDLESS_MS or gone_at",
    to: "local ends_at = gone_at == 0 and s.now + KEEP_MS or gone_at",
    foundBy: "expire in the engine when they are gone, and a minute later with a source version",
  },
  "hard is soft": { part: "fences", from: "if version < hard and at < hard_at then", to: "if false then" },
  "soft fences cover nothing": { part: "fences", from: "if version < softened then soft = true end", to: "" },
  "a clear covers nothing": {
    part: "fences",
    from: "consider(r.clear_hard, r.clear_hard_at, r.clear_soft)",
    to: "",
  },
  "a fence covers what came after it": {
    part: "entries",
    from: "if e.version < s.newest_prefix or (tagged and e.version < s.newest_tag) then",
    to: "if s.newest_prefix > 0 or (tagged and s.newest_tag > 0) then\n    e.version = e.version - 1",
  },
  "tags are not compared": {
    part: "entries",
    from: "or (tagged and e.version < s.newest_tag)",
    to: "",
  },
  "a generation of fences goes without a floor": {
    part: "namespaces",
    from: "    raise_floor(r, r.old_hard, r.old_hard_at, r.old_soft)\n    r.old,",
    to: "    r.old,",
    foundBy: "on fences of tags: what is dropped covers all tags of its namespace, and no other",
  },
  "a namespace that rests loses its floor": {
    part: "namespaces",
    from: "    raise_floor(r, r.old_hard, r.old_hard_at, r.old_soft)\n    r.old_hard, r.old_hard_at",
    to: "    r.old_hard, r.old_hard_at",
    foundBy: "on fences of tags: a namespace that raises none for long keeps its floor",
  },
  "a merge of prefixes forgets one": {
    part: "fences",
    from: "fence.prefix = sub(new.prefix, 1, length)",
    to: "fence.prefix = new.prefix",
    foundBy: "on fences of prefixes: two become one, or the namespace is cleared",
  },
  "prefixes beyond the bound cover nothing": {
    part: "fences",
    from: "clear_namespace(r, soft, s.revision, s.now)\n    end",
    to: "r.prefixes = r.prefixes\n    end",
    foundBy: "on fences of prefixes: two become one, or the namespace is cleared",
  },
  "a merge with a hard fence is soft": {
    part: "fences",
    from: "fence.soft = fence.soft and new.soft",
    to: "fence.soft = fence.soft or new.soft",
    foundBy: "on fences of prefixes: a soft one that is merged with a hard one is hard",
  },
  "the shared record covers nothing": {
    part: "namespaces",
    from: "local shared = read_record(s, SHARED)",
    to: "local shared = nil",
    foundBy: "on namespaces: those beyond share a record, and the others are not concerned",
  },
  "what a call did before it failed is not told": {
    part: "functions",
    from: "if not pcall(conclude, s) then s.lost = true end",
    to: "if is_done and not pcall(conclude, s) then s.lost = true end",
    foundBy: "of what a call has done are there when it fails half-way",
  },
  "what could not be told is kept": {
    part: "functions",
    from: "if not pcall(conclude, s) then s.lost = true end",
    to: "pcall(conclude, s)",
    foundBy: "that cannot be written make the shard another writer's",
  },
  "ends of leases are in the stream": {
    part: "head",
    from: "s.ended[#s.ended + 1] =",
    to: "s.records[#s.records + 1] =",
    foundBy: "of one call come together, and in the stream without the ends of leases",
  },
  "leases are taken for none that there are": {
    part: "leases",
    from: "\n  s.has_leases = true",
    to: "",
  },
  "a bucket that was there before the library is not looked for": {
    part: "buckets",
    from: "is_own and call('HLEN', own) - 1 or 0",
    to: "0",
    foundBy: "are answered again after the library is loaded again",
  },
  "request ids are looked for from the first one on": {
    part: "buckets",
    from: "TABLE_PADDING .. integer(b.minute)",
    to: "integer(b.minute)",
    foundBy: "leave request ids and tombstones in tables, also the first ones",
  },
  "an old bucket is taken for that of now": {
    part: "buckets",
    from: "b.count == 0 then\n    call('UNLINK', own)",
    to: "b.count == 0 then\n",
    foundBy: "are answered again after the library is loaded again",
  },
  "a full bucket is emptied": {
    part: "buckets",
    from: "call('RENAME', own, other)",
    to: "call('UNLINK', own)",
    foundBy: "on request ids: at least so many of the last minute are known",
  },
  "leases have no bound": {
    part: "leases",
    from: "if count >= LEASES_MAX and",
    to: "if false and",
    foundBy: "on leases: one more is refused while all others hold",
  },
  "leases that have expired take room for ever": {
    part: "leases",
    from: "if s.now >= expires then call('HDEL', key, some[i]) end",
    to: "",
    foundBy: "on leases: one more is refused while all others hold",
  },
  "a sweep drops fences that are newer": {
    part: "invalidations",
    from: "if s.newest_prefix <= revision then s.newest_prefix = 0 end",
    to: "s.newest_prefix = 0",
    foundBy: "keep a fence that is newer than the sweep",
  },
  "a sweep of another epoch is taken": {
    part: "invalidations",
    from: "if epoch ~= s.epoch or",
    to: "if",
    foundBy: "keep a fence that is newer than the sweep",
  },
  "a sweep frees without a tombstone": {
    part: "entries",
    from: "add_tombstone(s, name, e.source, e.ended_at)",
    to: "",
    foundBy: "that sweeps go by are freed, and fences are not asked for any more",
  },
  "a sweep leaves soft fences unmarked": {
    part: "invalidations",
    from: "      mark_staled(e)\n      marked",
    to: "      marked",
    foundBy: "that sweeps go by are freed, and fences are not asked for any more",
  },
  "Touch brings back what is stale": {
    part: "operations",
    from: "if state ~= FRESH then return answer(s, 1) end",
    to: "if state == GONE then return answer(s, 1) end",
  },
  "a softly invalidated version is still good": {
    part: "operations",
    from: "local is_valid = state == FRESH or state == PAST_TTL",
    to: "local is_valid = state ~= GONE",
  },
  "another epoch's version is as good": {
    part: "operations",
    from: "return epoch == NONE or epoch == s.epoch",
    to: "return true",
  },
  "an increment makes a counter live longer": {
    part: "operations",
    from: "new.source, new.fresh_until, new.gone_at = fresh.source, fresh.fresh_until, fresh.gone_at",
    to: "new.source, new.fresh_until, new.gone_at = fresh.source, lifetimes(s, c.ttl, c.stale)",
  },
  "int64 overflows": {
    part: "counters",
    from: "  if high > INT64_HIGH or (high == INT64_HIGH and low > INT64_LOW + (negative and 1 or 0)) then return nil end\n  local text",
    to: "  local text",
  },
  "the halves of a number are not carried": {
    part: "counters",
    from: "if low >= HALF then high, low = high + 1, low - HALF end",
    to: "",
    foundBy: "add as int64 do",
  },
};
