/** One snapshot: what comes back, what does not, and every way in which its bytes or its moment can be wrong. */
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { crc32 } from "node:zlib";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { createSeededRng } from "../../src/common/random.ts";
import { BLOCK_BYTES } from "../../src/snapshot/blocks.ts";
import { FORMAT_VERSION, OLDEST_READ } from "../../src/snapshot/head.ts";
import { headOf, type LoadOptions } from "../../src/snapshot/load-snapshot.ts";
import { SnapshotFile } from "../../src/snapshot/snapshot-file.ts";
import type { SnapshotOutcome } from "../../src/store/api/snapshot-outcome.ts";
import { attachStore, createStoreMemory, type StoreOptions } from "../../src/store/engine/create-store.ts";
import { ManualClock } from "../support/manual-clock.ts";
import { bytesOf, inFormat, loadBytes, sourceOf } from "../support/snapshot-bytes.ts";
import { readAll, StoreDriver, sayings } from "../support/store-driver.ts";

const SMALL = { shards: 2, budgetBytes: 16 * 2 ** 20 };

interface Written {
  readonly driver: StoreDriver;
  readonly memory: ReturnType<typeof createStoreMemory>;
}

/** A store with some of everything. */
function fill(options: Partial<StoreOptions> = {}, valueRepeats = 100): Written {
  let memory: Written["memory"] | undefined;
  const driver = new StoreDriver(
    (all) => {
      memory = createStoreMemory(all);
      return attachStore(memory, all);
    },
    { ...SMALL, ...options },
  );
  if (memory === undefined) throw new Error("the driver makes its store at once");
  for (let key = 0; key < 2_000; key++) {
    driver.set(`k${key}`, {
      value: `v${key}`.repeat(valueRepeats),
      tags: [`t${key % 7}`],
      ttlMs: key % 3 === 0 ? 5_000 : 0,
    });
  }
  driver.invalidateTags(["t1"]);
  driver.invalidatePrefix("k19");
  driver.set("once", { requestId: 9n, condition: { kind: "ifAbsent" } });
  driver.token("leased", 60_000);
  return { driver, memory };
}

/** The same snapshot with another description in its head, and the right checksum for that. */
function withDescription(bytes: Buffer, text: string): Buffer {
  const head = Buffer.concat([bytes.subarray(0, 16), Buffer.from(text)]);
  head.writeUInt32LE(Buffer.byteLength(text), 12);
  const crc = Buffer.alloc(4);
  crc.writeUInt32LE(crc32(head));
  return Buffer.concat([head, crc, bytes.subarray(16 + bytes.readUInt32LE(12) + 4)]);
}

function load(
  bytes: Buffer,
  clock: ManualClock,
  options: Partial<StoreOptions> = {},
  others: Partial<LoadOptions> = {},
): StoreDriver & { outcome: SnapshotOutcome } {
  let outcome: SnapshotOutcome = { kind: "none" };
  const driver = new StoreDriver(
    (all) => {
      const mine = { ...all, clock, rng: createSeededRng(99) };
      const loaded = loadBytes(bytes, mine, others);
      outcome = loaded.outcome;
      return attachStore(loaded.memory, mine);
    },
    { ...SMALL, ...options },
  );
  return Object.assign(driver, { outcome });
}

describe("a snapshot", () => {
  it("brings entries, fences, events and request ids back, and no lease", () => {
    const { driver, memory } = fill();
    const follower = driver.subscribe();
    driver.set("after", { value: "the cursor" });
    const next = driver.clock.restarted(3, 2_000);
    const loaded = load(bytesOf(memory, driver.clock), next);
    expect(loaded.outcome).toMatchObject({ kind: "loaded", entries: expect.any(Number) });
    expect(loaded.read("k0")).toBe("v0".repeat(100));
    expect([loaded.read("k1"), loaded.read("k190"), loaded.read("k198")]).toEqual([
      undefined,
      undefined,
      undefined,
    ]);
    expect(sayings(readAll(loaded.subscribe([], follower.cursor())))).toEqual(["set key after"]);
    expect(loaded.trySet("once", { requestId: 9n, condition: { kind: "ifAbsent" } })).toBe("stored");
    expect(loaded.trySet("once", { requestId: 10n, condition: { kind: "ifAbsent" } })).toBe("exists");
    expect(loaded.lease("leased").kind).toBe("granted");
    expect(loaded.store.counters).toMatchObject({ sets: 0, setsRefused: 1, leasesGranted: 1 });
    expect(loaded.store.namespaces()[0]?.counters).toMatchObject({ sets: 0, setsRefused: 1 });
  });

  it("lets lifetimes go on by the wall clock while no process runs", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    // k3 has 5 s; a monotonic clock that begins anew, and one that is far ahead.
    for (const originMs of [1, 1e9]) {
      const early = load(bytes, driver.clock.restarted(originMs, 4_999));
      expect(early.read("k3")).toBe("v3".repeat(100));
      const late = load(bytes, driver.clock.restarted(originMs, 5_000));
      expect(late.read("k3")).toBeUndefined();
      const get = late.get("k2");
      expect(get.kind === "hit" && get.entry.ageMs).toBe(5_000);
    }
  });

  it("keeps its form: a changed layout needs a new format version", () => {
    const head = headOf(sourceOf(bytesOf(fill().memory, new ManualClock()))).head;
    const sizes = head.parts[0]?.map(({ elementBytes }) => elementBytes).join();
    expect([FORMAT_VERSION, sizes]).toMatchInlineSnapshot(`
      [
        3,
        "32,64,12,64,4,32,4,4,232,256,64,4,56,8,4,4,4,12,64,4,56,8,4,4,4,12,1336,8,4,4,4,12,64,64,2,64,4,48,8,4,4,4,12,64,4,80,8,4,4,4,12,64,4160,256,4160,256,64,24,32768,256,4,4,4,16384",
      ]
    `);
  });

  it("reads the format before content encodings, whose memory means the same, and no other", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const headBytes = 16 + bytes.readUInt32LE(12);
    const inFormat = (version: number) => {
      const other = Buffer.from(bytes);
      other.writeUInt32LE(version, 8);
      other.writeUInt32LE(crc32(other.subarray(0, headBytes)), headBytes);
      return () => headOf(sourceOf(other)).head.epoch;
    };
    expect(inFormat(FORMAT_VERSION - 1)()).toBe(inFormat(FORMAT_VERSION)());
    for (const version of [0, FORMAT_VERSION - 2, FORMAT_VERSION + 1]) {
      expect(inFormat(version)).toThrow(`it has format ${version}, and this version reads 2 to 3`);
    }
  });

  it("with a head of another form in the same format is refused, though its checksum is right", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const description = JSON.parse(bytes.toString("utf8", 16, 16 + bytes.readUInt32LE(12)));
    const next = driver.clock.restarted(5, 100);
    const wrong = [null, [], "text", 1, -1, 2 ** 60, {}, [[["a"]]], [[[1, 2, 3]]]];
    for (const name of Object.keys(description)) {
      for (const value of [undefined, ...wrong]) {
        // It continues no other life.
        if (name === "predecessors" && JSON.stringify(value) === "[]") continue;
        const forged = withDescription(bytes, JSON.stringify({ ...description, [name]: value }));
        const { outcome } = load(forged, next);
        expect(outcome.kind, `${name}: ${JSON.stringify(value)}`).toBe("refused");
      }
    }
    for (const text of ["", "{", "null", "[]"]) {
      expect(load(withDescription(bytes, text), next).outcome).toMatchObject({
        kind: "refused",
        reason: "format",
      });
    }
  });

  it("fits into other limits where there is room, and says which has none", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const next = driver.clock.restarted(5, 100);
    const larger = {
      budgetBytes: 64 * 2 ** 20,
      tagFencesMax: 10_000,
      prefixFencesMax: 200,
      tombstonesMax: 100_000,
      requestIdsMax: 10_000,
      namespacesMax: 2_000,
      logMaxBytes: 32 * 2 ** 20,
      logMaxEvents: 100,
      leasesMax: 7,
      waitersMax: 2,
    };
    const loaded = load(bytes, next, larger);
    expect(loaded.outcome.kind).toBe("loaded");
    expect(loaded.read("k0")).toBe("v0".repeat(100));
    expect(loaded.read("k8")).toBeUndefined();
    for (let key = 3_000; key < 9_000; key++) loaded.set(`k${key}`, { tags: ["t2"] });
    loaded.invalidateTags(["t2"]);
    loaded.sweep();
    expect(loaded.read("k3000")).toBeUndefined();
    expect(loaded.read("k0")).toBe("v0".repeat(100));
    const setting = (options: Partial<StoreOptions>) => load(bytes, next, options).outcome;
    const refused = (name: string) => ({
      kind: "refused",
      reason: "setting",
      message: expect.stringContaining(name),
    });
    expect(setting({ shards: 4 })).toMatchObject(refused("shards"));
    expect(setting({ budgetBytes: 200_000 })).toMatchObject(refused("storeBudgetBytes"));
    // Room enough, in segments of another size.
    expect(setting({ budgetBytes: 6 * 2 ** 20 })).toMatchObject(refused("storeBudgetBytes"));
    expect(setting({ logMaxBytes: 8_192 })).toMatchObject(refused("logMaxBytes"));
    expect(setting({ engine: "lru" })).toMatchObject(refused("storeEngine"));
  });

  it("of another version is refused, though all its checksums are right", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const next = driver.clock.restarted(5, 100);
    for (const version of [OLDEST_READ, FORMAT_VERSION])
      expect(load(inFormat(bytes, version), next).outcome.kind, `version ${version}`).toBe("loaded");
    for (const version of [0, OLDEST_READ - 1, FORMAT_VERSION + 1, 2 ** 32 - 1]) {
      const { outcome } = load(inFormat(bytes, version), next);
      expect(outcome, `version ${version}`).toMatchObject({ kind: "refused", reason: "format" });
    }
  });

  it("is refused when it is too old, from the future, or used before", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const { head } = headOf(sourceOf(bytes));
    const outcome = (afterMs: number, others: Partial<LoadOptions> = {}) =>
      load(bytes, driver.clock.restarted(5, afterMs), {}, others).outcome;
    expect(outcome(600_000).kind).toBe("loaded");
    expect(outcome(600_001)).toMatchObject({ reason: "too_old" });
    expect(outcome(-1)).toMatchObject({ reason: "clock" });
    expect(outcome(1, { used: head })).toMatchObject({ reason: "used" });
    expect(outcome(1, { used: { id: 1n, writtenAtMs: head.writtenAtMs + 5 } })).toMatchObject({
      reason: "used",
    });
    expect(outcome(1, { used: { id: 1n, writtenAtMs: head.writtenAtMs - 5 } }).kind).toBe("loaded");
  });

  it("is refused, and never loaded in part, when a bit of it turns over", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const next = driver.clock.restarted(5, 1);
    const { bytes: headBytes } = headOf(sourceOf(bytes));
    const rng = createSeededRng(11);
    const places = [
      ...Array.from({ length: 24 }, (_, at) => at),
      headBytes - 1,
      headBytes,
      headBytes + BLOCK_BYTES,
      bytes.length - 1,
      ...Array.from({ length: 20 }, () => Math.floor(rng.fraction() * bytes.length)),
    ];
    for (const at of places) {
      const flipped = Buffer.from(bytes);
      flipped[at] = (flipped[at] ?? 0) ^ (1 << Math.floor(rng.fraction() * 8));
      const { outcome, store } = load(flipped, next);
      expect(outcome, `byte ${at}`).toMatchObject({
        kind: "refused",
        reason: expect.stringMatching(/damaged|format/),
      });
      expect([store.shards()[0]?.entries, store.predecessors]).toEqual([0, []]);
    }
  });

  it("is refused when it is cut off, at every end of a block and anywhere else", () => {
    const { driver, memory } = fill();
    const bytes = bytesOf(memory, driver.clock);
    const next = driver.clock.restarted(5, 1);
    const { bytes: headBytes } = headOf(sourceOf(bytes));
    const lengths = [0, 1, 15, 16, 19, 20, headBytes - 1, headBytes, headBytes + 1, bytes.length - 1];
    for (let end = headBytes; end < bytes.length; end += BLOCK_BYTES + 4)
      lengths.push(end, end + BLOCK_BYTES);
    for (const length of lengths.filter((some) => some < bytes.length)) {
      expect(load(bytes.subarray(0, length), next).outcome, `${length} bytes`).toMatchObject({
        kind: "refused",
      });
    }
    expect(load(Buffer.concat([bytes, Buffer.alloc(1)]), next).outcome).toMatchObject({ reason: "damaged" });
  });

  it("takes no block of another snapshot, or of another place", () => {
    const { driver, memory } = fill({}, 400);
    const bytes = bytesOf(memory, driver.clock, 1);
    const other = bytesOf(memory, driver.clock, 2);
    const { bytes: at } = headOf(sourceOf(bytes));
    expect(bytes.length - at).toBeGreaterThan(2 * (BLOCK_BYTES + 4));
    const next = driver.clock.restarted(5, 1);
    const mixed = Buffer.concat([bytes.subarray(0, at), other.subarray(at)]);
    expect(load(mixed, next).outcome).toMatchObject({ reason: "damaged" });
    const [first, second] = [at, at + BLOCK_BYTES + 4].map((from) =>
      bytes.subarray(from, from + BLOCK_BYTES + 4),
    );
    const swapped = Buffer.concat([
      bytes.subarray(0, at),
      second ?? Buffer.alloc(0),
      first ?? Buffer.alloc(0),
      bytes.subarray(at + 2 * (BLOCK_BYTES + 4)),
    ]);
    expect(load(swapped, next).outcome).toMatchObject({ reason: "damaged" });
  });

  it("is not written while a lock is held: its thread ended in the middle of an operation", () => {
    const clock = new ManualClock();
    const memory = createStoreMemory({ ...SMALL, clock }, 2);
    new Int32Array(memory.shards[1]?.state ?? new SharedArrayBuffer(4), 0, 1)[0] = 1;
    expect(() => bytesOf(memory, clock)).toThrow("in the middle of an operation");
  });
});

describe("the file of a snapshot", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "meshcache-snapshot-"));
  });
  afterEach(() => rmSync(folder, { recursive: true }));

  it("is there only while no server runs, and is loaded once", () => {
    const { driver, memory } = fill();
    const path = join(folder, "snapshot");
    const file = new SnapshotFile(path);
    file.save(memory, driver.clock, createSeededRng(1));
    expect(statSync(path).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder)).toEqual(["snapshot"]);
    const bytes = readFileSync(path);
    const options = {
      store: { ...SMALL, clock: driver.clock },
      threads: 1,
      clock: driver.clock,
      maxAgeMs: 1_000,
    };
    expect(file.start(options).outcome.kind).toBe("loaded");
    expect(readdirSync(folder)).toEqual(["snapshot.used"]);
    file.served();
    expect(statSync(`${path}.used`).size).toBeLessThan(bytes.length / 100);
    writeFileSync(path, bytes);
    expect(new SnapshotFile(path).start(options).outcome).toMatchObject({ reason: "used" });
    expect(readdirSync(folder).sort()).toEqual(["snapshot.refused", "snapshot.used"]);
    expect(new SnapshotFile(path).start(options).outcome.kind).toBe("none");
  });

  it("is given back by a server that could not start", () => {
    const { driver, memory } = fill();
    const path = join(folder, "snapshot");
    const file = new SnapshotFile(path);
    file.save(memory, driver.clock, createSeededRng(1));
    const options = {
      store: { ...SMALL, clock: driver.clock },
      threads: 1,
      clock: driver.clock,
      maxAgeMs: 1_000,
    };
    expect(file.start(options).outcome.kind).toBe("loaded");
    file.giveBack();
    expect(new SnapshotFile(path).start(options).outcome.kind).toBe("loaded");
  });

  it("that is a folder is refused", () => {
    const { driver } = fill();
    const outcome = new SnapshotFile(folder).start(optionsAt(driver.clock)).outcome;
    expect(outcome).toMatchObject({ kind: "refused", reason: "io" });
    folder = `${folder}.refused`;
  });

  it.each([
    ["was loaded", ".used", 1_000, "io"],
    ["was refused", ".refused", 0, "too_old"],
  ])("that %s and cannot be put aside is never loaded later", (_, suffix, maxAgeMs, reason) => {
    const { driver, memory } = fill();
    const path = join(folder, "snapshot");
    const file = new SnapshotFile(path);
    file.save(memory, driver.clock, createSeededRng(1));
    mkdirSync(join(`${path}${suffix}`, "full"), { recursive: true });
    driver.clock.advance(10);
    expect(file.start({ ...optionsAt(driver.clock), maxAgeMs }).outcome).toMatchObject({
      kind: "refused",
      reason,
    });
    rmSync(`${path}${suffix}`, { recursive: true });
    const later = new SnapshotFile(path).start(optionsAt(driver.clock)).outcome;
    expect(later).toMatchObject({ kind: "refused", reason: "damaged" });
  });

  function optionsAt(clock: ManualClock) {
    return { store: { ...SMALL, clock }, threads: 1, clock, maxAgeMs: 1_000 };
  }
});
