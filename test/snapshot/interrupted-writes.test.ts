/** Writes of a snapshot that end too early: the disk is full, or the process is killed. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { systemClock } from "../../src/common/clock.ts";
import { createSeededRng } from "../../src/common/random.ts";
import { BLOCK_BYTES, blocksBytes } from "../../src/snapshot/blocks.ts";
import { headOf, type StartedStore } from "../../src/snapshot/load-snapshot.ts";
import { SnapshotFile } from "../../src/snapshot/snapshot-file.ts";
import { type Break, withBrokenDisk } from "../support/broken-disk.ts";
import { filledMemory, SMALL_STORE } from "../support/filled-memory.ts";
import { bytesOf, sourceOf } from "../support/snapshot-bytes.ts";

const KILLED_WRITER = "test/support/killed-writer.ts";
const SEED = 5;
const BLOCK = blocksBytes(BLOCK_BYTES);

const memory = filledMemory();
const whole = bytesOf(memory, systemClock, SEED);
const headBytes = headOf(sourceOf(whole)).bytes;

let folder: string;
let path: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "meshcache-interrupted-"));
  path = join(folder, "snapshot");
});
afterEach(() => rmSync(folder, { recursive: true }));

/** A start, and the end of its store's process without a snapshot. */
function start(): StartedStore["outcome"] {
  const file = new SnapshotFile(path);
  const options = { store: SMALL_STORE, threads: 1, clock: systemClock, maxAgeMs: 600_000 };
  const { outcome } = file.start(options);
  file.served();
  return outcome;
}

/** As long as `whole`: an id of fewer digits would make the head shorter. */
const save = () => new SnapshotFile(path).save(memory, systemClock, createSeededRng(SEED));

/** Offsets at which a write of `length` bytes may end: in the head, at and beside each end of a block, anywhere. */
function offsets(length: number): number[] {
  const rng = createSeededRng(SEED);
  const all = [0, 1, 15, 16, headBytes - 1, headBytes, headBytes + 1, length - 5, length - 4, length - 1];
  for (let end = headBytes + BLOCK; end < length; end += BLOCK) all.push(end - 4, end - 1, end, end + 1);
  for (let more = 0; more < 20; more++) all.push(Math.floor(rng.fraction() * length));
  return all;
}

function full(): never {
  throw Object.assign(new Error("no space left on device"), { code: "ENOSPC", syscall: "write" });
}

describe(`a disk that is full (seed ${SEED})`, () => {
  it("leaves nothing of a snapshot, wherever it is full, and the next start is empty", () => {
    expect(whole.length).toBeGreaterThan(headBytes + 2 * BLOCK);
    for (const afterBytes of offsets(whole.length)) {
      expect(() => withBrokenDisk({ afterBytes }, full, save), `${afterBytes} bytes`).toThrow(
        "no space left",
      );
      expect(readdirSync(folder), `${afterBytes} bytes`).toEqual([]);
      expect(start()).toEqual({ kind: "none" });
    }
    save();
    expect(start().kind).toBe("loaded");
  });

  it.each<[string, Break]>([
    ["the file", { call: "fsyncSync", nth: 0 }],
    ["its name", { call: "renameSync", nth: 0 }],
    ["the folder", { call: "fsyncSync", nth: 1 }],
  ])("leaves nothing either when %s cannot be kept", (_name, where) => {
    save();
    expect(start().kind).toBe("loaded");
    expect(() => withBrokenDisk(where, full, save)).toThrow("no space left");
    expect(readdirSync(folder)).toEqual(["snapshot.used"]);
    expect(start()).toEqual({ kind: "none" });
  });
});

describe(`a process that is killed while it writes (seed ${SEED})`, () => {
  async function killed(where: Break): Promise<void> {
    const child = spawn(process.execPath, [KILLED_WRITER, path, JSON.stringify(where)], { stdio: "inherit" });
    expect(await once(child, "exit")).toEqual([null, "SIGKILL"]);
  }

  it("is found by the next start, which removes what it had written", async () => {
    const rng = createSeededRng(SEED);
    const bytes = Array.from({ length: 4 }, () => Math.floor(rng.fraction() * whole.length));
    for (const afterBytes of [0, headBytes, ...bytes]) {
      await killed({ afterBytes });
      expect(statSync(`${path}.tmp`).size).toBe(afterBytes);
      expect(start()).toEqual({
        kind: "refused",
        reason: "unfinished",
        message: "the server before was ended while it wrote it",
      });
      expect(readdirSync(folder)).toEqual([]);
      expect(start()).toEqual({ kind: "none" });
    }
  });

  it("leaves no older file to be loaded", async () => {
    await killed({ call: "renameSync", nth: 0 });
    writeFileSync(path, whole);
    expect(start()).toMatchObject({ reason: "unfinished" });
    expect(readdirSync(folder)).toEqual(["snapshot.refused"]);
    expect(start()).toEqual({ kind: "none" });
  });

  it("has written all of it once it has its name", async () => {
    await killed({ call: "fsyncSync", nth: 1 });
    expect(start()).toMatchObject({ kind: "loaded", entries: 2_000 });
    expect(readdirSync(folder)).toEqual(["snapshot.used"]);
  });
});

describe("a process that is killed while it starts", () => {
  it("leaves a file that is never loaded, of which the next one keeps the head", () => {
    save();
    const options = { store: SMALL_STORE, threads: 1, clock: systemClock, maxAgeMs: 600_000 };
    expect(new SnapshotFile(path).start(options).outcome.kind).toBe("loaded");
    expect(statSync(`${path}.used`).size).toBe(whole.length);
    expect(start()).toEqual({ kind: "none" });
    expect(statSync(`${path}.used`).size).toBe(headBytes);
  });
});
