/** What every client of the service may rely on, in the sense of every method. One suite for all clients. */
import { crc32 } from "node:zlib";
import type { MessageInitShape } from "@bufbuild/protobuf";
import { describe, expect, it } from "vitest";
import {
  Event_Kind,
  Gap_Reason,
  type GetResponse,
  type Hit,
  type IncrementResponse,
  InvalidateRequest_Mode,
  type InvalidateRequestSchema,
  type LeaseResponse,
  NotIncremented_Reason,
  NotStored_Reason,
  type SetResponse,
  type StreamResponse,
} from "../../gen/meshcache/v1/cache_pb.ts";
import { eventually } from "../support/eventually.ts";
import type { CacheCalls } from "./cache-calls.ts";

type Target = MessageInitShape<typeof InvalidateRequestSchema>["target"];

const bytes = (text: string) => new TextEncoder().encode(text);
const text = (hit: Hit | undefined) => new TextDecoder().decode(hit?.value);

function hitOf({ outcome }: GetResponse | LeaseResponse): Hit {
  if (outcome.case !== "hit") throw new Error(`${outcome.case} instead of a hit`);
  return outcome.value;
}

function refusalOf({ outcome }: SetResponse): NotStored_Reason {
  if (outcome.case !== "notStored") throw new Error(`${outcome.case} instead of a refusal`);
  return outcome.value.reason;
}

/** The counter, or why nothing was added. */
function countOf({ outcome }: IncrementResponse): bigint | NotIncremented_Reason {
  if (outcome.case === undefined) throw new Error("no outcome");
  return outcome.case === "incremented" ? outcome.value.value : outcome.value.reason;
}

function tokenOf({ outcome }: LeaseResponse): bigint {
  if (outcome.case !== "granted") throw new Error(`${outcome.case} instead of a lease`);
  return outcome.value.token;
}

/** `calls` is asked in each test. */
export function describeService(client: string, calls: () => CacheCalls): void {
  const namespace = "contract";

  describe(`CacheService by ${client}: Get and Set`, () => {
    it("answers a miss with the shard's stamp, then a hit with all that was set", async () => {
      const { get, set } = calls();
      const at = { namespace, key: "a/ß\u0000\r\n" };
      const miss = await get(at);
      expect(miss.outcome.case).toBe("miss");
      expect(miss.asOf?.epoch).not.toBe(0n);
      const stored = await set({
        ...at,
        value: bytes("one"),
        ttlMs: 60_000n,
        staleMs: 1_000n,
        tags: ["t1", "t2"],
        contentType: "text/plain",
        sourceVersion: 7n,
      });
      expect(stored.outcome.case).toBe("stored");
      expect(stored.asOf?.shard).toBe(miss.asOf?.shard);
      const hit = hitOf(await get(at));
      expect(text(hit)).toBe("one");
      expect(hit).toMatchObject({
        version: stored.asOf?.revision,
        sourceVersion: 7n,
        tags: ["t1", "t2"],
        contentType: "text/plain",
        stale: false,
        absent: false,
        staleRemainingMs: 1_000n,
      });
      expect(hit.ttlRemainingMs).toBeGreaterThan(50_000n);
      expect(hit.ttlRemainingMs).toBeLessThanOrEqual(60_000n);
    });

    it("says how a value is compressed, as its Set did, to a Get, a Lease and a batch", async () => {
      const { get, set, lease, batch } = calls();
      const at = { namespace, key: "encoded" };
      const token = tokenOf(await lease({ ...at, leaseMs: 60_000 }));
      const encoded = { value: bytes("(zstd)"), contentEncoding: "zstd", tags: ["t"] };
      await set({ ...at, ...encoded, condition: { case: "leaseToken", value: token } });
      expect(hitOf(await get(at))).toMatchObject({ contentEncoding: "zstd", tags: ["t"], contentType: "" });
      expect(hitOf(await lease(at))).toMatchObject({ contentEncoding: "zstd" });
      const key = "encoded in a batch";
      const operations = [
        { operation: { case: "set", value: { ...encoded, key, contentEncoding: "x-own.2" } } },
        { operation: { case: "get", value: { key } } },
        { operation: { case: "increment", value: { key } } },
        { operation: { case: "set", value: { key, value: bytes("plain") } } },
        { operation: { case: "get", value: { key } } },
      ] as const;
      const { results } = await batch({ namespace, operations: [...operations] });
      const encodings = results.map(({ result }) =>
        result.case === "get" ? hitOf(result.value).contentEncoding : result.case,
      );
      expect(encodings).toEqual(["set", "x-own.2", "increment", "set", ""]);
      const sum = results[2]?.result;
      expect(sum?.case === "increment" && countOf(sum.value)).toBe(NotIncremented_Reason.NOT_A_COUNTER);
    });

    it("answers NotModified to the version the caller has, in its epoch only", async () => {
      const { get, set } = calls();
      const at = { namespace, key: "not-modified" };
      const stored = await set({ ...at, value: bytes("v") });
      const ifVersion = stored.asOf?.revision ?? 0n;
      const ifEpoch = stored.asOf?.epoch ?? 0n;
      expect((await get({ ...at, ifVersion, ifEpoch })).outcome.case).toBe("notModified");
      expect((await get({ ...at, ifVersion, ifEpoch: ifEpoch ^ 1n })).outcome.case).toBe("hit");
    });

    it("refuses a Set whose condition fails, and says why", async () => {
      const { set } = calls();
      const at = { namespace, key: "conditions", value: bytes("v") };
      const ifPresent = { case: "ifPresent", value: true } as const;
      const ifAbsent = { case: "ifAbsent", value: true } as const;
      expect(refusalOf(await set({ ...at, condition: ifPresent }))).toBe(NotStored_Reason.ABSENT);
      const first = await set({ ...at, condition: ifAbsent, sourceVersion: 9n });
      expect(refusalOf(await set({ ...at, condition: ifAbsent }))).toBe(NotStored_Reason.EXISTS);
      const ifVersion = { case: "ifVersion", value: (first.asOf?.revision ?? 0n) + 1n } as const;
      expect(refusalOf(await set({ ...at, condition: ifVersion }))).toBe(NotStored_Reason.VERSION_MISMATCH);
      expect(refusalOf(await set({ ...at, sourceVersion: 8n }))).toBe(NotStored_Reason.OLDER_SOURCE_VERSION);
    });

    it("answers a Set that is sent again under its request id as the first one", async () => {
      const { set, get } = calls();
      const request = { namespace, key: "again", value: bytes("v"), requestId: 0xfedc_ba98_7654_3210n };
      const first = await set(request);
      expect(await set(request)).toEqual(first);
      expect(hitOf(await get({ namespace, key: "again" })).version).toBe(first.asOf?.revision);
    });

    it("keeps that the source has no such record", async () => {
      const { set, get } = calls();
      await set({ namespace, key: "absent", absent: true });
      const hit = hitOf(await get({ namespace, key: "absent" }));
      expect(hit.absent).toBe(true);
      expect(hit.value).toHaveLength(0);
    });

    it("refuses a field out of its bound, naming both and not what was sent", async () => {
      const { get } = calls();
      const refused = get({ namespace: "../b", key: "canary" });
      await expect(refused).rejects.toMatchObject({
        reason: "FIELD_INVALID",
        detail: { field: "namespace", bound: expect.stringContaining("64") },
      });
      await expect(refused).rejects.not.toThrow(/canary|\.\.\/b/);
    });
  });

  describe(`CacheService by ${client}: Touch and Invalidate`, () => {
    it("gives a fresh entry new lifetimes and keeps its version", async () => {
      const { set, touch, get } = calls();
      const at = { namespace, key: "touched" };
      const stored = await set({ ...at, value: bytes("v"), ttlMs: 60_000n });
      let { ageMs } = hitOf(await get(at));
      while (ageMs === 0n) ({ ageMs } = hitOf(await get(at)));
      expect((await touch({ ...at, ttlMs: 180_000n })).touched).toBe(true);
      const hit = hitOf(await get(at));
      expect(hit.version).toBe(stored.asOf?.revision);
      expect(hit.ageMs).toBeGreaterThanOrEqual(ageMs);
      expect(hit.ageMs).toBeLessThan(60_000n);
      expect(hit.ttlRemainingMs).toBeGreaterThan(60_000n);
      expect((await touch({ namespace, key: "never-set", ttlMs: 1n })).touched).toBe(false);
    });

    it("makes entries gone by key, tag, prefix and for a namespace", async () => {
      const { set, invalidate, get } = calls();
      const space = "contract-gone";
      const targets: Target[] = [
        { case: "keys", value: { keys: ["p/k", "never-set"] } },
        { case: "tags", value: { tags: ["t"] } },
        { case: "prefix", value: "p/" },
        { case: "all", value: true },
      ];
      for (const target of targets) {
        await set({ namespace: space, key: "p/k", value: bytes("v"), tags: ["t"] });
        const { stamps, removed } = await invalidate({ namespace: space, ...(target && { target }) });
        expect(removed, target?.case).toBe(target?.case === "keys" ? 1n : 0n);
        const miss = await get({ namespace: space, key: "p/k" });
        expect(miss.outcome.case, target?.case).toBe("miss");
        expect(stamps.map(({ shard }) => shard)).toContain(miss.asOf?.shard);
      }
    });

    it("makes entries stale when asked to, for those who may see stale ones", async () => {
      const { set, invalidate, get } = calls();
      const at = { namespace, key: "softly" };
      await set({ ...at, value: bytes("v"), ttlMs: 60_000n });
      const target: Target = { case: "keys", value: { keys: ["softly"] } };
      await invalidate({ namespace, target, mode: InvalidateRequest_Mode.SOFT });
      expect((await get(at)).outcome.case).toBe("miss");
      expect(hitOf(await get({ ...at, allowStale: true })).stale).toBe(true);
    });
  });

  describe(`CacheService by ${client}: Increment`, () => {
    it("adds to a counter, which is decimal text to every reader, and keeps its lifetimes", async () => {
      const { increment, get } = calls();
      const at = { namespace, key: "counter" };
      const lifetimes = { ttlMs: 60_000n, staleMs: 1_000n };
      const first = await increment({ ...at, delta: 5n, initial: -7n, ...lifetimes });
      expect(first.outcome).toMatchObject({
        case: "incremented",
        value: { value: -2n, version: first.asOf?.revision, created: true, ttlRemainingMs: 60_000n },
      });
      expect(text(hitOf(await get(at)))).toBe("-2");
      const second = await increment({ ...at, delta: 44n, ttlMs: 1n });
      expect(second.outcome).toMatchObject({ value: { value: 42n, created: false } });
      const hit = hitOf(await get(at));
      expect(text(hit)).toBe("42");
      expect(hit).toMatchObject({
        version: second.asOf?.revision,
        contentType: "",
        staleRemainingMs: 1_000n,
      });
      expect(hit.ttlRemainingMs).toBeGreaterThan(30_000n);
    });

    it("has all of 64 bits, with a sign", async () => {
      const { increment } = calls();
      const max = 2n ** 63n - 1n;
      expect(countOf(await increment({ namespace, key: "max", delta: max }))).toBe(max);
      expect(countOf(await increment({ namespace, key: "min", initial: -max - 1n }))).toBe(-max - 1n);
      expect(countOf(await increment({ namespace, key: "min", delta: max }))).toBe(-1n);
    });

    it("refuses with a reason, and changes nothing", async () => {
      const { increment, set, get } = calls();
      const at = { namespace, key: "not-added" };
      const ifPresent = { case: "ifPresent", value: true } as const;
      expect(countOf(await increment({ ...at, condition: ifPresent }))).toBe(NotIncremented_Reason.ABSENT);
      await set({ ...at, value: bytes("9223372036854775807") });
      expect(countOf(await increment({ ...at, delta: 1n }))).toBe(NotIncremented_Reason.OVERFLOW);
      const ifAbsent = { case: "ifAbsent", value: true } as const;
      expect(countOf(await increment({ ...at, condition: ifAbsent }))).toBe(NotIncremented_Reason.EXISTS);
      const ifVersion = { case: "ifVersion", value: 2n ** 40n } as const;
      expect(countOf(await increment({ ...at, condition: ifVersion }))).toBe(
        NotIncremented_Reason.VERSION_MISMATCH,
      );
      await set({ ...at, value: bytes("one") });
      expect(countOf(await increment(at))).toBe(NotIncremented_Reason.NOT_A_COUNTER);
      expect(text(hitOf(await get(at)))).toBe("one");
    });

    it("adds once when it is sent again under its request id", async () => {
      const { increment } = calls();
      const request = { namespace, key: "again", delta: 3n, requestId: 0xfedc_ba98_7654_3211n };
      const first = await increment({ ...request, key: "added-once" });
      await increment({ namespace, key: "added-once", delta: 100n });
      expect(await increment({ ...request, key: "added-once" })).toEqual(first);
      expect(countOf(await increment({ namespace, key: "added-once" }))).toBe(103n);
    });

    it("runs in a batch, and is a SET to whoever subscribes", async () => {
      const { batch, exchange } = calls();
      const space = "contract-counters";
      const add = { operation: { case: "increment" as const, value: { key: "k", delta: 2n } } };
      const { results } = await batch({ namespace: space, operations: [add, add] });
      expect(results.map(({ result }) => result.case === "increment" && countOf(result.value))).toEqual([
        2n,
        4n,
      ]);
      const responses = await exchange([
        { id: 1n, frame: { case: "open", value: {} } },
        { id: 2n, frame: { case: "subscription", value: { selectors: [{ namespace: space }] } } },
        { id: 3n, frame: { case: "batch", value: { namespace: space, operations: [add] } } },
      ]);
      const events = responses.flatMap(({ frame }) => (frame.case === "events" ? frame.value.events : []));
      expect(events).toMatchObject([{ kind: Event_Kind.SET, target: { case: "key", value: "k" } }]);
    });
  });

  describe(`CacheService by ${client}: ListKeys`, () => {
    const space = "contract-listed";

    it("lists the keys of a prefix page by page, with their versions, sizes and lifetimes", async () => {
      const { set, listKeys, batch } = calls();
      const keys = Array.from({ length: 7 }, (_, index) => `p/${index}`);
      const versions = new Map<string, bigint | undefined>();
      for (const key of [...keys, "other"]) {
        const stored = await set({ namespace: space, key, value: bytes("12345"), ttlMs: 60_000n });
        versions.set(key, stored.asOf?.revision);
      }
      const found = new Map<string, bigint>();
      let pageToken = new Uint8Array();
      do {
        const page = await listKeys({ namespace: space, prefix: "p/", maxKeys: 3, pageToken });
        expect(page.stamps[0]?.epoch).not.toBe(0n);
        for (const { key, version, valueBytes, ttlRemainingMs, stale } of page.keys) {
          found.set(key, version);
          expect({ valueBytes, stale }).toEqual({ valueBytes: 5n, stale: false });
          expect(ttlRemainingMs).toBeGreaterThan(30_000n);
        }
        pageToken = Uint8Array.from(page.nextPageToken);
      } while (pageToken.length > 0);
      expect([...found.keys()].sort()).toEqual(keys);
      for (const [key, version] of found) expect(version).toBe(versions.get(key));
      const { results } = await batch({
        namespace: space,
        operations: [{ operation: { case: "listKeys", value: { prefix: "other" } } }],
      });
      expect(results[0]?.result).toMatchObject({ case: "listKeys", value: { keys: [{ key: "other" }] } });
    });

    it("refuses what is no token of this listing", async () => {
      const { listKeys } = calls();
      const { nextPageToken } = await listKeys({ namespace: space, prefix: "p/", maxKeys: 1 });
      const damaged = Uint8Array.from(nextPageToken);
      damaged[15] = (damaged[15] ?? 0) ^ 1;
      for (const request of [
        { prefix: "p/", pageToken: damaged },
        { prefix: "q/", pageToken: nextPageToken },
        { prefix: "p/", pageToken: bytes("garbage") },
      ]) {
        await expect(listKeys({ namespace: space, ...request })).rejects.toMatchObject({
          reason: "FIELD_INVALID",
          detail: { field: "page_token" },
        });
      }
      await expect(listKeys({ namespace: space, maxKeys: 1_001 })).rejects.toMatchObject({
        detail: { field: "max_keys" },
      });
    });
  });

  describe(`CacheService by ${client}: Lease`, () => {
    it("grants one caller the right to fill, tells the next one to wait, and takes the fill", async () => {
      const { lease, set } = calls();
      const at = { namespace, key: "leased" };
      const token = tokenOf(await lease(at));
      const held = await lease(at);
      expect(held.outcome.case).toBe("held");
      await set({ ...at, value: bytes("filled"), condition: { case: "leaseToken", value: token } });
      expect(text(hitOf(await lease(at)))).toBe("filled");
    });

    it("answers a waiting caller with the fill", async () => {
      const { lease, set } = calls();
      const at = { namespace, key: "waited-for" };
      const token = tokenOf(await lease(at));
      const waiting = lease({ ...at, waitMs: 10_000 });
      await set({ ...at, value: bytes("filled"), condition: { case: "leaseToken", value: token } });
      expect(text(hitOf(await waiting))).toBe("filled");
    });

    it("loses the lease when a tag named at the Set was invalidated since", async () => {
      const { lease, set, invalidate } = calls();
      const at = { namespace, key: "lost" };
      const token = tokenOf(await lease(at));
      await invalidate({ namespace, target: { case: "tags", value: { tags: ["moved"] } } });
      const late = await set({
        ...at,
        value: bytes("old"),
        tags: ["moved"],
        condition: { case: "leaseToken", value: token },
      });
      expect(refusalOf(late)).toBe(NotStored_Reason.LEASE_LOST);
    });

    it("takes a lease back", async () => {
      const { lease } = calls();
      const at = { namespace, key: "released" };
      const releaseToken = tokenOf(await lease(at));
      const released = await lease({ ...at, releaseToken });
      expect(released.outcome).toMatchObject({ case: "released", value: { released: true } });
      expect((await lease(at)).outcome.case).toBe("granted");
    });
  });

  describe(`CacheService by ${client}: Batch`, () => {
    it("runs operations in their order and fails them one by one", async () => {
      const { batch } = calls();
      const { results } = await batch({
        namespace: "contract-batch",
        operations: [
          { operation: { case: "set", value: { key: "k", value: bytes("v") } } },
          { operation: { case: "get", value: { key: "k" } } },
          { operation: { case: "get", value: { key: "" } } },
          { operation: { case: undefined } },
          { operation: { case: "get", value: { namespace: "contract-other", key: "k" } } },
          { operation: { case: "lease", value: { key: "free" } } },
        ],
      });
      expect(results.map(({ result }) => result.case)).toEqual([
        "set",
        "get",
        "error",
        "error",
        "get",
        "lease",
      ]);
      const [, get, refused, , foreign] = results;
      if (get?.result.case === "get") expect(text(hitOf(get.result.value))).toBe("v");
      expect(refused?.result).toMatchObject({ value: { code: 3, message: expect.stringContaining("key") } });
      expect(foreign?.result).toMatchObject({ value: { outcome: { case: "miss" } } });
    });

    it("refuses a batch without operations", async () => {
      await expect(calls().batch({ namespace })).rejects.toMatchObject({
        reason: "FIELD_INVALID",
        detail: { field: "operations" },
      });
    });
  });

  describe(`CacheService by ${client}: Stream`, () => {
    const space = "contract-stream";

    /** Reads until a frame of this kind; runs `caughtUp` at the first Progress. */
    async function readUntil(
      last: StreamResponse["frame"]["case"],
      request: Parameters<CacheCalls["stream"]>[0],
      caughtUp: () => Promise<unknown> = async () => {},
    ): Promise<StreamResponse[]> {
      const frames: StreamResponse[] = [];
      for await (const frame of calls().stream(request)) {
        frames.push(frame);
        if (frame.frame.case === last) break;
        if (frame.frame.case === "progress") await caughtUp();
      }
      return frames;
    }

    it("opens, catches up, then tells of mutations as they happen", async () => {
      const frames = await readUntil("events", { namespace: space, prefixes: ["in/"] }, async () => {
        await calls().set({ namespace: space, key: "out", value: bytes("v") });
        await calls().set({ namespace: space, key: "in/k", value: bytes("v") });
      });
      expect(frames.map(({ frame }) => frame.case)).toEqual(["opened", "progress", "events"]);
      expect(frames.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n]);
      const last = frames[2]?.frame;
      expect(last?.case === "events" && last.value.events).toMatchObject([
        { kind: Event_Kind.SET, target: { case: "key", value: "in/k" }, namespace: space },
      ]);
    });

    it("resumes at a cursor without loss", async () => {
      const [opened] = await readUntil("opened", { namespace: space });
      const cursor = opened?.frame.case === "opened" ? opened.frame.value.cursor : new Uint8Array();
      await calls().set({ namespace: space, key: "missed", value: bytes("v") });
      const frames = await readUntil("progress", { namespace: space, cursor });
      const events = frames.flatMap(({ frame }) => (frame.case === "events" ? frame.value.events : []));
      expect(events.map(({ target }) => target.value)).toEqual(["missed"]);
    });

    it("answers a cursor of another epoch with a Gap, and garbage with FIELD_INVALID", async () => {
      const [opened] = await readUntil("opened", { namespace: space });
      const cursor = opened?.frame.case === "opened" ? opened.frame.value.cursor : new Uint8Array();
      const frames = await readUntil("gap", { namespace: space, cursor: toOtherEpoch(cursor) });
      const last = frames.at(-1)?.frame;
      expect(last?.case === "gap" && last.value.reason).toBe(Gap_Reason.EPOCH_CHANGED);
      await expect(readUntil("gap", { namespace: space, cursor: bytes("garbage") })).rejects.toThrow(
        /cursor/,
      );
    });
  });

  describe(`CacheService by ${client}: Exchange`, () => {
    it("answers pipelined frames in order, events before the responses that reflect them", async () => {
      const space = "contract-exchange";
      const responses = await calls().exchange([
        { id: 1n, frame: { case: "open", value: { clientId: "contract" } } },
        { id: 2n, frame: { case: "subscription", value: { selectors: [{ namespace: space }] } } },
        {
          id: 3n,
          frame: {
            case: "batch",
            value: {
              namespace: space,
              operations: [{ operation: { case: "set", value: { key: "k", value: bytes("v") } } }],
            },
          },
        },
        { id: 4n, frame: { case: "batch", value: { namespace: space } } },
        { id: 5n, frame: { case: "ping", value: { nonce: 99n } } },
      ]);
      expect(responses.map(({ id, frame }) => [id, frame.case])).toEqual([
        [1n, "opened"],
        [2n, "opened"],
        [0n, "progress"],
        [0n, "events"],
        [3n, "batch"],
        [4n, "error"],
        [5n, "progress"],
      ]);
      expect(responses.map(({ sequence }) => sequence)).toEqual([1n, 2n, 3n, 4n, 5n, 6n, 7n]);
      const events = responses[3]?.frame;
      expect(events?.case === "events" && events.value.events).toMatchObject([{ origin: "contract" }]);
    });
  });

  describe(`CacheService by ${client}: Exchange with namespace_is_prefix`, () => {
    const begin = "contract-wide";
    const setIn = (namespace: string) =>
      ({ operation: { case: "set", value: { namespace, key: "k", value: bytes("v") } } }) as const;

    it("tells events of each namespace that begins so, and of no other", async () => {
      const responses = await calls().exchange([
        { id: 1n, frame: { case: "open", value: {} } },
        {
          id: 2n,
          frame: {
            case: "subscription",
            value: { selectors: [{ namespace: `${begin}-`, namespaceIsPrefix: true }] },
          },
        },
        {
          id: 3n,
          frame: {
            case: "batch",
            value: { operations: [begin, `${begin}-a`, `${begin}x`, `${begin}-b`].map(setIn) },
          },
        },
      ]);
      const [opened] = responses;
      expect(opened?.frame.case === "opened" && opened.frame.value.limits?.namespacePrefixes).toBe(true);
      const events = responses.flatMap(({ frame }) => (frame.case === "events" ? frame.value.events : []));
      expect(events.map(({ namespace }) => namespace).sort()).toEqual([`${begin}-a`, `${begin}-b`]);
    });

    it("refuses prefixes of keys beside it, and a name that no namespace begins with", async () => {
      const subscriptions = [
        { namespace: begin, namespaceIsPrefix: true, prefixes: ["p/"] },
        { namespace: "UPPER", namespaceIsPrefix: true },
        { namespace: "", prefixes: [] },
      ];
      const responses = await calls().exchange([
        { id: 1n, frame: { case: "open", value: {} } },
        ...subscriptions.map((selector, at) => ({
          id: BigInt(at + 2),
          frame: { case: "subscription" as const, value: { selectors: [selector] } },
        })),
      ]);
      expect(responses.slice(1)).toMatchObject([
        { frame: { case: "error", value: { code: 3, message: expect.stringContaining("prefixes") } } },
        { frame: { case: "error", value: { code: 3, message: expect.stringContaining("namespace") } } },
        { frame: { case: "error", value: { code: 3, message: expect.stringContaining("namespace") } } },
      ]);
    });
  });

  describe(`AdminService by ${client}`, () => {
    it("counts what happened", async () => {
      const { stats, set } = calls();
      const before = await stats();
      await set({ namespace, key: "counted", value: bytes("v") });
      const after = await stats();
      expect(after.epoch).toBe(before.epoch);
      expect((after.operations?.sets ?? 0n) - (before.operations?.sets ?? 0n)).toBe(1n);
      // A server on the shared tier has the keys counted once a second.
      await eventually(async () => {
        const { shards } = await stats();
        expect(shards.reduce((sum, shard) => sum + shard.entries, 0n)).toBeGreaterThan(0n);
      });
      expect(after.connections).toBeGreaterThan(0n);
      expect(after.serverVersion).toMatch(/^\d+\.\d+\.\d+/);
    });
  });
}

/** Changes the epoch in a cursor and mends its checksum, as a cursor from before a restart looks. */
function toOtherEpoch(cursor: Uint8Array): Uint8Array {
  const other = Uint8Array.from(cursor);
  other[1] = (other[1] ?? 0) ^ 1;
  new DataView(other.buffer).setUint32(other.length - 4, crc32(other.subarray(0, -4)));
  return other;
}
